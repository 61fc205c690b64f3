"""`fmnistlab report RUN|COMPARISON`."""

from __future__ import annotations

import argparse
import webbrowser

from fmnistlab.cli import output
from fmnistlab.cli.model_option import add_model_option
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import path_argument


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "report",
        parents=[common],
        help="write a run or a comparison as one HTML file",
        description="Writes one HTML file that shows a run or a comparison: curves, the confusion "
        "matrix and its images, mistakes, intervals, settings, the command that repeats it. The "
        "file needs nothing else, no network either. An earlier report is replaced.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder",
        metavar="RUN|COMPARISON",
        type=path_argument,
        help="a folder that `train` or `compare` wrote; a comparison need not be finished",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=path_argument,
        metavar="FILE",
        help="the file to write (default: report.html in the folder)",
    )
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    add_model_option(parser)
    parser.set_defaults(command=_report, imports="fmnistlab.reporting.report")


def _report(options: argparse.Namespace) -> int:
    from fmnistlab.reporting.report import report

    path = report(options.folder, options.out, model=options.model)
    if options.json:
        output.json_result({"report": str(path), "bytes": path.stat().st_size})
    else:
        output.result(f"report: {path}")
    if options.open and not webbrowser.open(path.absolute().as_uri()):
        output.note("there is no browser to show it in")
    return 0
