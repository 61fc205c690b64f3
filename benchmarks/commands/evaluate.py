"""Measuring the loss of a model on 12,000 images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.options import add_contenders, add_models, add_rounds, add_threads
from benchmarks.contenders import CONTENDERS, LABELS
from benchmarks.images import image_folder
from benchmarks.processes import Measurement, run_worker
from benchmarks.report.comparison import (
    comparison,
    honest_note,
    ratio_column,
    rounds_column,
    value_column,
)
from benchmarks.report.markdown import threads_text
from benchmarks.results_file import Section, sections_by
from benchmarks.rounds import Entry, Job, Settings, take_turns

TITLE = "Evaluation"

NAMES = ("dataloader", "lightning", "skorch", "keras", "eager", "fmnistlab")

NOTE = (
    "All but two take batches of 32, the size they were trained with. fmnistlab chooses batches of "
    "1,000 by itself, and so does the loop written by hand. Each loss was found to be right."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 7)
    add_threads(parser)
    add_models(parser)
    add_contenders(parser, NAMES)


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Evaluates once per round, contender and model."""
    with image_folder() as folder:
        jobs = [
            _job(contender, {"model": model, "threads": options.threads, "images": 12_000}, folder)
            for model in options.models
            for contender in options.contenders
        ]
        return jobs, take_turns(jobs, options.rounds)


def describe(results: Sequence[Section]) -> str:
    """Returns one table for each model and number of threads."""
    sections = sections_by(results, "evaluate")
    columns = [
        value_column("seconds"),
        rounds_column(),
        ratio_column(f"times as fast as {LABELS['dataloader']}", "dataloader"),
    ]
    parts = [NOTE]
    for section in sections:
        model, threads, images = (section.settings[key] for key in ("model", "threads", "images"))
        parts += [
            f"### {model}, {threads_text(threads)}: {images:,} images",
            comparison(section, LABELS, columns),
            honest_note(section, LABELS),
        ]
    return "\n\n".join(part for part in parts if part)


def _job(contender: str, settings: Settings, folder: Path) -> Job:
    def measure_once(number: int) -> Measurement:
        return run_worker(
            "worker",
            contender,
            "--evaluate",
            *("--model", settings["model"]),
            *("--seed", number),
            *("--folder", folder),
            threads=int(settings["threads"]),
        )

    return Job(contender, settings, measure_once, CONTENDERS[contender].packages)
