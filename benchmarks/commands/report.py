"""All tables of a results file as Markdown, and two pictures."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from benchmarks.commands.options import RESULTS
from benchmarks.report.surroundings import surroundings
from benchmarks.results_file import Section, read_results, sections_by

IMAGES = Path("docs/images")

PREFACE = (
    "Numbers are medians over rounds, in parentheses the quartiles; n is the number of rounds. In "
    "each round everybody has one turn in a fresh process, one after the other. Ratios are taken "
    "within a round; above 1 means faster than what is named."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results",
        type=Path,
        default=RESULTS,
        metavar="JSON",
        help=f"the file with the measurements (default: {RESULTS})",
    )
    for option, name, content in (
        ("--picture", "benchmarks.png", "one epoch"),
        ("--scaling-picture", "benchmarks-scaling.png", "batch sizes and data sizes"),
    ):
        parser.add_argument(
            option,
            type=Path,
            default=IMAGES / name,
            metavar="PNG",
            help=f"where to draw the picture of {content} (default: {IMAGES / name})",
        )
    parser.add_argument(
        "--page",
        type=Path,
        metavar="MD",
        help="write the tables into this page instead of printing them",
    )
    parser.add_argument(
        "--mark",
        default="tables",
        metavar="NAME",
        help="between its comments <!-- NAME: start --> and <!-- NAME: end --> (default: tables)",
    )


def run(options: argparse.Namespace, commands: Mapping[str, ModuleType]) -> None:
    """Prints the tables, or writes them into a page, and draws what there is to draw."""
    results = read_results(options.results)
    text = f"{PREFACE}\n\n{markdown(results, commands)}"
    if options.page is None:
        print(text)
    else:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(with_tables(page, options.mark, text), encoding="utf-8")
    for command, module, path in (
        ("train", "epoch_picture", options.picture),
        ("scaling", "scaling_picture", options.scaling_picture),
    ):
        if sections_by(results, command):
            # Imported here, because they need matplotlib.
            importlib.import_module(f"benchmarks.report.{module}").draw(results, path)
            print(f"drawn: {path}", file=sys.stderr)


def with_tables(page: str, mark: str, text: str) -> str:
    """Returns a page with other text between the two comments of a mark.

    Raises:
        SystemExit: the page has not both comments, once each and in this order.
    """
    start, end = f"<!-- {mark}: start -->\n", f"<!-- {mark}: end -->\n"
    before, found, rest = page.partition(start)
    _, found_too, after = rest.partition(end)
    if not (found and found_too) or page.count(start) > 1 or page.count(end) > 1:
        raise SystemExit(f"the page does not have {start.strip()} and {end.strip()} once each")
    return f"{before}{start}{text}\n{end}{after}"


def markdown(results: Sequence[Section], commands: Mapping[str, ModuleType]) -> str:
    """Returns a chapter for each of the commands that has results."""
    chapters = []
    for name, command in commands.items():
        sections = sections_by(results, name)
        if sections:
            chapters += [f"## {command.TITLE}", command.describe(results), surroundings(sections)]
    return "\n\n".join(chapters)
