"""Runs every row both ways and writes the table into docs/trainer.md.

python -m tests.parts
"""

from __future__ import annotations

import sys

import torch
from tests.parts.findings import FINDINGS
from tests.parts.table import DIFFERS, PAGE, ROWS, WAYS, missing, table, verdict, with_table


def main() -> int:
    """Writes the table if every part does what it should or is known to differ."""
    torch.set_num_threads(1)
    cells = {}
    faults = [f"{row.part}: needs {', '.join(missing(row))}" for row in ROWS if missing(row)]
    for row in ROWS if not faults else ():
        for way in WAYS:
            try:
                cells[row.part, way] = verdict(row, way)
                if (row.part, way) in FINDINGS:
                    faults.append(f"{row.part}, {way}: mended, so take it out of findings.py")
            except Exception as error:  # noqa: BLE001 - told below
                cells[row.part, way] = DIFFERS
                if (row.part, way) not in FINDINGS:
                    faults.append(f"{row.part}, {way}: {type(error).__name__}: {error}")
    if faults:
        print(*faults, sep="\n", file=sys.stderr)
        return 1
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_table(page, table(cells)), encoding="utf-8", newline="\n")
    print(f"{len(ROWS)} parts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
