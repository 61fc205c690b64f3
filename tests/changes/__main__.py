"""Makes one-line changes in a copy of the package and tells which ones no test notices.

python -m tests.changes                    all of them, about ten minutes on two cores
python -m tests.changes --only checkpoint  those in files whose name has the word
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.changes.runner import Change, Outcome, fault_of, read_changes, try_change

from fmnistlab.foundation.tables import markdown_table

UNNOTICED = "NONE"


def main() -> int:
    """Tries the changes; returns 1 if one went unnoticed or cannot be made any more."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.changes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="WORD", default="", help="part of the file's name")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default: 2)")
    options = parser.parse_args()
    changes = [change for change in read_changes() if options.only in change.file]
    for change in changes:
        if fault := fault_of(change):
            print(f"cannot be made: {fault}", file=sys.stderr)
            return 1
    rows = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for change, outcome in zip(changes, pool.map(try_change, changes), strict=True):
            rows.append(_row(change, outcome))
            print(": ".join(rows[-1]), file=sys.stderr, flush=True)
    print(markdown_table(["changed place", "before", "after", "noticed by"], rows))
    survivors = [row for row in rows if row[-1] == UNNOTICED]
    print(f"\n{len(survivors)} of {len(rows)} went unnoticed.")
    return int(bool(survivors))


def _row(change: Change, outcome: Outcome) -> list[str]:
    code = [f"`{' '.join(text.split())}`" for text in (change.before, change.after)]
    return [change.file, *code, outcome.noticed_by or UNNOTICED]


if __name__ == "__main__":
    sys.exit(main())
