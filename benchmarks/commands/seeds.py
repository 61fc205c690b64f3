"""Four seeds of one model: two at a time against one after the other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.options import add_models, add_rounds, positive
from benchmarks.images import image_folder
from benchmarks.learning import AFTER_SOME_EPOCHS, check_learned
from benchmarks.processes import Measurement, run_worker
from benchmarks.report.comparison import (
    comparison,
    median_column,
    ratio_column,
    rounds_column,
    value_column,
)
from benchmarks.results_file import Section, sections_by
from benchmarks.rounds import Entry, Job, Settings, take_turns

TITLE = "Four seeds"

JOBS = {"jobs_1": 1, "jobs_2": 2, "jobs_2_started": 2}
"""How many are trained at the same time, each in one thread."""

STARTED = "jobs_2_started"
"""The roof: what is left when no process has to be started is what two of them share, such as
memory and cache."""

LABELS = {
    "jobs_1": "one after the other",
    "jobs_2": "two processes at a time",
    STARTED: "two processes at a time, started before",
}

EPOCHS = 10
"""As in the tutorial."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 5)
    add_models(parser)
    parser.add_argument(
        "--epochs",
        type=positive,
        default=EPOCHS,
        metavar="N",
        help=f"epochs of each training (default: {EPOCHS})",
    )


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Trains four models per round, model and way."""
    with image_folder() as folder:
        jobs = [
            _job(
                name,
                {"model": model, "seeds": 4, "epochs": options.epochs, "images": 48_000},
                folder,
            )
            for model in options.models
            for name in JOBS
        ]
        return jobs, take_turns(jobs, options.rounds)


def describe(results: Sequence[Section]) -> str:
    """Returns one table for each model."""
    sections = sections_by(results, "seeds")
    columns = [
        value_column("seconds"),
        rounds_column(),
        ratio_column("times as fast as one after the other", "jobs_1"),
        median_column("highest loss", "loss"),
    ]
    parts = ["Each training has one thread. The start of processes is timed too."]
    for section in sections:
        settings = section.settings
        parts += [
            f"### {settings['model']}: {settings['seeds']} seeds, {settings['epochs']} epochs each",
            comparison(section, LABELS, columns),
        ]
    return "\n\n".join(parts)


def _job(name: str, settings: Settings, folder: Path) -> Job:
    def measure_once(number: int) -> Measurement:
        measurement = run_worker(
            "seeds_worker",
            *("--model", settings["model"]),
            *("--jobs", JOBS[name]),
            *("--epochs", settings["epochs"]),
            *("--seed", number),
            *("--folder", folder),
            *(["--started"] if name == STARTED else []),
            threads=1,
            cores=max(JOBS.values()),
        )
        return check_learned(measurement, AFTER_SOME_EPOCHS)

    return Job(name, settings, measure_once)
