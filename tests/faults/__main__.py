"""Runs the drills and prints a scoreboard.

python -m tests.faults             the short tier, as in every run of the tests
python -m tests.faults --long      the full figures, half an hour on two cores
python -m tests.faults --long --only kills signals
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Before torch is imported: drills fork, and threads do not survive a fork.
os.environ["OMP_NUM_THREADS"] = "1"

from tests.faults.drills import DRILLS


def main() -> int:
    """Runs drills; returns 1 if a trial failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--long", action="store_true", help="as many trials as before a release")
    parser.add_argument(
        "--only", nargs="+", choices=DRILLS, metavar="DRILL", help=", ".join(DRILLS)
    )
    parser.add_argument("--seed", type=int, default=0, help="determines every trial (default: 0)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the scores as JSON")
    options = parser.parse_args()
    logging.getLogger("fmnistlab").setLevel(logging.CRITICAL)  # thousands of faults are logged
    rows: list[dict[str, Any]] = []
    for name in options.only or DRILLS:
        drill = DRILLS[name]
        started = time.monotonic()
        score = drill.run(drill.long if options.long else drill.short, options.seed)
        seconds = time.monotonic() - started
        rows.append(
            {
                "drill": name,
                "title": drill.title,
                "passed": score.passed,
                "total": score.total,
                "seconds": round(seconds, 1),
                "notes": score.notes,
                "failures": score.failures,
            }
        )
        print(f"{name}: {score.passed} of {score.total}, {seconds:.0f} s", file=sys.stderr)
        for failure in score.failures[:5]:
            print(f"    {failure[:600]}", file=sys.stderr)
    print(scoreboard(rows, options.seed))
    if options.out is not None:
        options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return int(any(row["passed"] != row["total"] for row in rows))


def scoreboard(rows: list[dict[str, Any]], seed: int) -> str:
    """Returns a Markdown table of all scores."""
    import torch

    import fmnistlab
    from fmnistlab.foundation.tables import Column, markdown_table

    lines = [
        (row["title"], row["passed"], row["total"], row["seconds"], "; ".join(row["notes"]))
        for row in rows
    ]
    table = markdown_table(["promise", "stood", "of", Column("seconds", ".0f"), ""], lines)
    setting = (
        f"{datetime.now(UTC):%Y-%m-%d}, seed {seed}, fmnistlab {fmnistlab.__version__}, torch "
        f"{torch.__version__}, Python {platform.python_version()}, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores."
    )
    return f"{table}\n\n{setting}"


if __name__ == "__main__":
    sys.exit(main())
