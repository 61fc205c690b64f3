"""One candidate in one section, in a fresh process; what it found goes into a file.

python -m benchmarks.faults.worker kills 0 --trials 100 --seed 0 --answer FILE
"""

from __future__ import annotations

import argparse
import json
import logging
import traceback
import warnings
from pathlib import Path

from benchmarks.faults.forked import describe
from benchmarks.faults.problems import NotPossibleError
from benchmarks.faults.sections import SECTIONS


def main() -> None:
    """Measures one candidate and writes status, reason and result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.worker")
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("number", type=int, help="of the candidate in the section, from 0")
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--answer", type=Path, required=True)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    section = SECTIONS[options.section]
    candidate = section.candidates[options.number]
    answer: dict[str, object]
    try:
        result = section.measure(candidate, options.trials, options.seed)
        answer = {"status": "measured", "result": result}
    except NotPossibleError as error:
        answer = {"status": "not possible", "reason": str(error)}
    except Exception as error:  # noqa: BLE001 - told with its reason
        traceback.print_exc()
        answer = {"status": "failed", "reason": describe(error)}
    options.answer.write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
