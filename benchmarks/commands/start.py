"""How long it takes until a library is there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.commands.options import add_rounds
from benchmarks.processes import Measurement, time_command
from benchmarks.report.comparison import comparison, honest_note, rounds_column, value_column
from benchmarks.results_file import Section, sections_by
from benchmarks.rounds import Entry, Job, Settings, take_turns

TITLE = "Start"

BARE = "python"
"""The start of Python alone, which is taken off from all others, round by round."""


class Start(NamedTuple):
    """Something that is started.

    Attributes:
        label: its name in the table.
        arguments: for Python.
        packages: what must be installed beside fmnistlab, by import name.
    """

    label: str
    arguments: tuple[str, ...]
    packages: tuple[str, ...] = ()


STARTS = {
    BARE: Start("Python alone", ("-c", "pass")),
    "fmnistlab": Start("import fmnistlab", ("-c", "import fmnistlab")),
    "fmnistlab_help": Start("fmnistlab --help", ("-m", "fmnistlab", "--help")),
    "fmnistlab_trainer": Start(
        "import fmnistlab and use fmnistlab.Trainer", ("-c", "import fmnistlab; fmnistlab.Trainer")
    ),
    "torch": Start("import torch", ("-c", "import torch")),
    "lightning": Start(
        "import lightning.pytorch", ("-c", "import lightning.pytorch"), ("lightning",)
    ),
    "skorch": Start("import skorch", ("-c", "import skorch"), ("skorch",)),
    "keras": Start("import keras, on torch", ("-c", "import keras"), ("keras",)),
}

LABELS = {name: start.label for name, start in STARTS.items()}


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 11)


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Starts each once per round, after one round that brings the files into memory."""
    settings: Settings = {"threads": 1}
    jobs = [_job(name, start, settings) for name, start in STARTS.items()]
    return jobs, take_turns(jobs, options.rounds, unmeasured=1)


def describe(results: Sequence[Section]) -> str:
    """Returns the table, without the time that Python alone takes."""
    sections = sections_by(results, "start")
    columns = [value_column("seconds more than Python alone"), rounds_column()]
    parts = ["From the start of the process to its end."]
    for section in sections:
        without = without_python(section)
        bare = value_column("")[1](section, BARE)
        parts += [
            comparison(without, LABELS, columns),
            f"Python alone: {bare} s.",
            honest_note(without, LABELS, own="fmnistlab_trainer"),
        ]
    return "\n\n".join(part for part in parts if part)


def without_python(section: Section) -> Section:
    """Returns the section with the time of Python alone taken off, round by round."""
    bare = section.values(BARE)
    entries = {
        name: entry._replace(
            measurements=[
                {**found, "seconds": found["seconds"] - alone}
                for found, alone in zip(entry.measurements, bare, strict=False)
            ]
        )
        for name, entry in section.entries.items()
        if name != BARE
    }
    return section._replace(entries=entries)


def _job(name: str, start: Start, settings: Settings) -> Job:
    def measure_once(_number: int) -> Measurement:
        return time_command(
            [sys.executable, *start.arguments], threads=1, variables={"KERAS_BACKEND": "torch"}
        )

    return Job(name, settings, measure_once, start.packages)
