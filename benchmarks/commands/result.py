"""How long it takes to be as good as after the classic recipe."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.options import add_contenders, add_models, add_rounds
from benchmarks.contenders import CONTENDERS
from benchmarks.contenders import LABELS as CONTENDER_LABELS
from benchmarks.images import image_folder
from benchmarks.learning import CLASSIC_ACCURACY
from benchmarks.processes import Measurement, run_worker
from benchmarks.report.comparison import (
    Column,
    comparison,
    honest_note,
    ratio_column,
    rounds_column,
    value_column,
)
from benchmarks.report.markdown import significant, threads_text
from benchmarks.results_file import Section, sections_by
from benchmarks.rounds import Entry, Job, Settings, take_turns

TITLE = "Time to a result"

TURNS = {
    "fmnistlab_classic": ("fmnistlab", "classic"),
    "fmnistlab_fast": ("fmnistlab", "fast"),
    "eager_fast": ("eager", "fast"),
    "lightning_fast": ("lightning", "fast"),
    "skorch_fast": ("skorch", "fast"),
}
"""Contender and the name of the recipe, in the order of the turns."""

LABELS = {
    name: f"{CONTENDER_LABELS[contender]}, {recipe}" for name, (contender, recipe) in TURNS.items()
}

NOTE = (
    "Timed is a whole training, from arrays in memory to the trained model, in a fresh process "
    "and without anything to warm up; reading the data and imports are not. The others follow the "
    "fast recipe by their own means, as fast as they can: batches asked for at a time, Adam fused, "
    "channels last. The accuracy is that on the 12,000 validation images; the classic recipe's "
    "mean over 26 seeds is the one to reach. A recipe whose mean lies below has won nothing, "
    "however short its time."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 7)
    add_models(parser)
    add_contenders(parser, TURNS)


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Trains once per round, model, contender and number of threads, which is one and two."""
    with image_folder() as folder:
        jobs = [
            _job(name, {"model": model, "threads": threads, "images": 48_000}, folder)
            for model in options.models
            for threads in (1, 2)
            for name in options.contenders
        ]
        return jobs, take_turns(jobs, options.rounds)


def describe(results: Sequence[Section]) -> str:
    """Returns one table for each model and number of threads."""
    parts = [NOTE]
    for section in sections_by(results, "result"):
        model, threads = str(section.settings["model"]), section.settings["threads"]
        classic = CLASSIC_ACCURACY[model]
        columns = [
            value_column("seconds"),
            rounds_column(),
            ratio_column("times as fast as classic", "fmnistlab_classic"),
            ratio_column("times as fast as fmnistlab, fast", "fmnistlab_fast"),
            _mean_accuracy(),
            _reached(classic),
        ]
        parts += [
            f"### {model}, {threads_text(threads)}: to an accuracy of {classic}",
            comparison(section, LABELS, columns),
            _below(section, classic),
            honest_note(section, LABELS, own="fmnistlab_fast"),
        ]
    return "\n\n".join(part for part in parts if part)


def _mean_accuracy() -> Column:
    def cell(section: Section, name: str) -> str:
        return significant(statistics.mean(section.values(name, "accuracy")), digits=4)

    return "mean accuracy", cell


def _reached(classic: float) -> Column:
    """Returns the column that says in how many rounds a single training was as good."""

    def cell(section: Section, name: str) -> str:
        return str(sum(value >= classic for value in section.values(name, "accuracy")))

    return f"rounds that reached {classic}", cell


def _below(section: Section, classic: float) -> str:
    """Returns who is not as good on average, in words, or nothing."""
    below = [
        LABELS.get(name, name)
        for name in section.measured
        if statistics.mean(section.values(name, "accuracy")) < classic
    ]
    return f"**Not reached on average**: {'; '.join(below)}." if below else ""


def _job(name: str, settings: Settings, folder: Path) -> Job:
    contender, recipe = TURNS[name]

    def measure_once(number: int) -> Measurement:
        return run_worker(
            "worker",
            contender,
            *("--recipe", recipe),
            *("--model", settings["model"]),
            *("--images", settings["images"]),
            *("--seed", number),
            *("--folder", folder),
            threads=int(settings["threads"]),
        )

    return Job(name, settings, measure_once, CONTENDERS[contender].packages)
