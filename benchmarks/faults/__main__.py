"""Puts the public peers through the same tests as fmnistlab and prints a table for each kind.

    python -m benchmarks.faults                            all tests, as they are published
    python -m benchmarks.faults --only kills --trials 20   a quick look at one of them

All of it takes about ten minutes of one processor. What is not installed is said to be so;
benchmarks/faults/requirements.txt names the versions. A candidate whose test could not be made is
shown with the reason, and not counted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.faults.environment import environment, sentence
from benchmarks.faults.results import Results, merge_results, read_results
from benchmarks.faults.runner import measure_section
from benchmarks.faults.sections import SECTIONS


def main(arguments: list[str] | None = None) -> int:
    """Runs sections; returns 1 if the test of a candidate did not work, else 0."""
    options = _parser().parse_args(arguments)
    failed = False
    found: dict[str, Results] = {}
    for name in options.only or SECTIONS:
        section = SECTIONS[name]
        trials = (options.trials or section.trials) if section.trials else 0
        facts = environment()
        rows = measure_section(name, section, trials, options.seed, options.peer)
        found[name] = Results({"trials": trials, "seed": options.seed}, facts, rows)
        if options.out is not None:
            merge_results(options.out, name, found[name])
        failed |= any(row.status == "failed" for row in rows)
    if options.out is not None:
        found = read_results(options.out)
    print("\n\n".join(_chapter(name, found[name]) for name in SECTIONS if name in found))
    return int(failed)


def _chapter(name: str, results: Results) -> str:
    """Returns heading, explanation, table and environment of a section."""
    section = SECTIONS[name]
    counted = [f"n = {results.settings['trials']}"] if section.trials else []
    counted += [f"seed {results.settings['seed']}"] if section.seeded else []
    measured = ", ".join([sentence(results.environment), *counted])
    return "\n\n".join(
        [
            f"### {section.title}",
            section.explanation,
            section.table(results.rows),
            f"{measured}.",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SECTIONS,
        metavar="SECTION",
        help=f"some of {', '.join(SECTIONS)} (default: all)",
    )
    parser.add_argument(
        "--peer", metavar="TEXT", help="only candidates with this text in their names, in any case"
    )
    chosen = [
        f"{section.trials} for {name}" for name, section in SECTIONS.items() if section.trials
    ]
    parser.add_argument(
        "--trials",
        type=_positive,
        metavar="N",
        help=f"faults put into each candidate (default: {', '.join(chosen)}; others have a fixed "
        "number)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="determines all choices (default: 0)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="JSON file for all results; sections that it has already are replaced, the others "
        "stay and are printed too",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("use a whole number from 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
