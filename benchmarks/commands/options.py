"""Options that several subcommands share."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

MODELS = ("linearnet", "cnn")

RESULTS = Path("docs/benchmarks-data.json")
"""Where results are kept by default."""


def add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        metavar="JSON",
        help=f"results are merged into this file (default: {RESULTS})",
    )


def add_rounds(parser: argparse.ArgumentParser, default: int) -> None:
    parser.add_argument(
        "--rounds",
        type=positive,
        default=default,
        metavar="N",
        help=f"how often each is measured, in turns (default: {default})",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=positive,
        default=2,
        metavar="N",
        help="CPU threads, and cores where the system can limit them (default: 2)",
    )


def add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))


def add_contenders(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Lets the user leave out some contenders, for a quick look."""
    names = list(names)
    parser.add_argument(
        "--contenders",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"who takes part (default: all of {', '.join(names)})",
    )


def positive(text: str) -> int:
    """Reads a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("use a whole number from 1")
    return number
