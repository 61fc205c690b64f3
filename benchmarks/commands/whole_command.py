"""The whole command beside the sum of its epochs, and what the rest is."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.memory import FILL_CACHE
from benchmarks.commands.options import add_models, add_rounds, positive
from benchmarks.commands.start import STARTS
from benchmarks.processes import Measurement, time_command
from benchmarks.report.markdown import figures, with_quartiles
from benchmarks.results_file import Section, sections_by
from benchmarks.rounds import Entry, Job, Settings, take_turns
from benchmarks.summaries import paired_ratios, spread

TITLE = "The whole command, part by part"

COMMAND = "fmnistlab_command"
"""`fmnistlab train`, as a user types it, with the data in the cache."""

START = "fmnistlab_trainer"
"""What is started beside it; a part of the rest."""

RESULT_LINE = "test: "
"""How the line begins that has the result."""

NOTE = (
    "`fmnistlab train MODEL` with one thread and the data in the cache, from the start of the "
    "process to its end. The epochs are those that it prints, without validation. In each round "
    "the imports have a turn of their own, as in the chapter on the start; what is left are the "
    "data, validation, the test and the files."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 7)
    add_models(parser)
    parser.add_argument(
        "--epochs", type=positive, default=3, metavar="N", help="of each training (default: 3)"
    )


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Runs the command and the imports once per round and model."""
    with tempfile.TemporaryDirectory() as runs:
        cache = {"FMNISTLAB_CACHE": str(Path(runs) / "cache")}
        time_command([sys.executable, "-c", FILL_CACHE], threads=1, variables=cache)
        jobs = []
        for model in options.models:
            settings: Settings = {"model": model, "threads": 1, "epochs": options.epochs}
            jobs += [_command_job(settings, Path(runs), cache), _start_job(settings)]
        return jobs, take_turns(jobs, options.rounds, unmeasured=1)


def describe(results: Sequence[Section]) -> str:
    """Returns one table for each model and number of epochs."""
    parts = [NOTE]
    for section in sections_by(results, "command"):
        model, epochs = section.settings["model"], section.settings["epochs"]
        parts += [f"### {model}, {epochs} epochs, 1 thread", _table(section)]
    return "\n\n".join(parts)


def part_by_part(section: Section) -> dict[str, list[float]]:
    """Returns the seconds of each part in each round."""
    whole, result, epochs = (
        section.values(COMMAND, number) for number in ("seconds", "result_seconds", "epoch_seconds")
    )
    imports = section.values(START)
    rounds = list(zip(whole, result, epochs, imports, strict=False))
    return {
        "the whole command": whole,
        "until its result is printed": result,
        "its epochs": epochs,
        "the whole command less its epochs": [w - e for w, _, e, _ in rounds],
        "of that: Python and imports": imports,
        "of that: pictures, after the result": [w - r for w, r, _, _ in rounds],
        "of that: all else": [r - e - i for _, r, e, i in rounds],
    }


def _table(section: Section) -> str:
    failed = [entry for entry in section.entries.values() if entry.status != "measured"]
    if failed:
        return "; ".join(f"{entry.status}: {entry.reason}" for entry in failed)
    whole = section.values(COMMAND)
    rows = [
        [
            label,
            with_quartiles(spread(values)),
            with_quartiles(spread(paired_ratios(values, whole))),
            str(len(values)),
        ]
        for label, values in part_by_part(section).items()
    ]
    return figures(["", "seconds", "part of the whole", "n"], rows)


def _command_job(settings: Settings, runs: Path, cache: dict[str, str]) -> Job:
    def measure_once(number: int) -> Measurement:
        run = runs / f"{settings['model']}-{number}"
        options = ["--epochs", str(settings["epochs"]), "--threads", "1", "--out", str(run)]
        found = time_command(
            [sys.executable, "-m", "fmnistlab", "train", str(settings["model"]), *options],
            threads=1,
            variables=cache,
            until=RESULT_LINE,
        )
        history = json.loads((run / "history.json").read_text(encoding="utf-8"))
        return {**found, "epoch_seconds": sum(epoch["seconds"] for epoch in history["epochs"])}

    return Job(COMMAND, settings, measure_once)


def _start_job(settings: Settings) -> Job:
    def measure_once(_number: int) -> Measurement:
        return time_command([sys.executable, *STARTS[START].arguments], threads=1)

    return Job(START, settings, measure_once)
