"""`fmnistlab runs [DIR...]`."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fmnistlab.cli import output
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import path_argument

if TYPE_CHECKING:
    from fmnistlab.experiments.sweep.found import FoundRun

SORTS: Final = (
    *("started", "test_accuracy", "val_accuracy", "seconds", "epochs", "seed"),
    *("model", "state", "folder"),
)
"""What runs can be sorted by."""

_HIGHEST_FIRST: Final = ("started", "test_accuracy", "val_accuracy")


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "runs",
        parents=[common],
        help="list every run below a folder: model, seed, accuracies, state",
        description="Lists every run folder at or below DIR. States: done; in use, by a training "
        "that goes on now; begun, and interrupted; failed, as one of many; damaged.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folders",
        metavar="DIR",
        nargs="*",
        type=path_argument,
        default=[Path("runs")],
        help="where to look (default: runs)",
    )
    parser.add_argument(
        "--sort",
        choices=SORTS,
        default="started",
        metavar="COLUMN",
        help="what comes first: the highest accuracy, the newest start, else the smallest value: "
        f"{', '.join(SORTS)} (default: started)",
    )
    parser.set_defaults(command=_runs, imports="fmnistlab.experiments.sweep.found")


def _runs(options: argparse.Namespace) -> int:
    from fmnistlab.experiments.sweep.found import find_runs

    found = sort_runs(find_runs(options.folders), options.sort)
    if options.json:
        output.json_result(
            [{**dataclasses.asdict(run), "folder": str(run.folder)} for run in found]
        )
    elif found:
        output.result_block(_table(found))
    for run in found:
        if run.reason is not None and not options.json:
            output.note(f"{run.folder}: {run.reason}")
    if not found:
        output.note(f"there are no runs below {', '.join(map(str, options.folders))}")
    return 0


def sort_runs(found: list[FoundRun], column: str) -> list[FoundRun]:
    """Returns runs in the order of a column; those that have nothing there come last.

    Args:
        found: the runs.
        column: one of `SORTS`.
    """
    have = [run for run in found if getattr(run, column) is not None]
    have.sort(key=lambda run: getattr(run, column), reverse=column in _HIGHEST_FIRST)
    return have + [run for run in found if getattr(run, column) is None]


def _table(found: list[FoundRun]) -> str:
    from fmnistlab.foundation.tables import Cell, Column, format_table

    # Columns that would be empty are left out.
    extras = [name for name in ("options", "recipe") if any(getattr(run, name) for run in found)]
    columns: list[str | Column] = [
        *("folder", "model", *extras),
        *(Column("seed", "d"), "epochs", Column("val", ".4f"), Column("test", ".4f")),
        *(Column("95 % interval", right=True), Column("seconds", ".1f"), "started", "state"),
    ]
    rows: list[list[Cell]] = [
        [
            *(str(run.folder), run.model, *(getattr(run, name) for name in extras)),
            *(run.seed, run.epochs, run.val_accuracy, run.test_accuracy),
            *(_interval(run), run.seconds, _minute(run.started), run.state),
        ]
        for run in found
    ]
    return format_table(columns, rows, width=shutil.get_terminal_size((1000, 24)).columns)


def _interval(run: FoundRun) -> str | None:
    return None if run.test_interval is None else "{:.4f} to {:.4f}".format(*run.test_interval)


def _minute(started: str | None) -> str | None:
    return None if started is None else started[:16].replace("T", " ")
