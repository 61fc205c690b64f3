"""One training epoch, everybody against everybody."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.commands.options import add_contenders, add_models, add_rounds, add_threads
from benchmarks.contenders import CONTENDERS, LABELS
from benchmarks.images import image_folder
from benchmarks.learning import AFTER_ONE_EPOCH
from benchmarks.report.comparison import (
    comparison,
    honest_note,
    median_column,
    ratio_column,
    rounds_column,
    value_column,
)
from benchmarks.report.markdown import threads_text
from benchmarks.results_file import Section, sections_by
from benchmarks.rounds import Entry, Job, take_turns
from benchmarks.training_job import training_job

TITLE = "One training epoch"

EPOCH = {"batch_size": 32, "images": 48_000}

RIVALS = ("eager", "lightning", "skorch")
"""Contenders beside the tutorial that all are compared with."""

NOTE = (
    "Same layers, initial weights drawn in the same way, cross-entropy and Adam with a learning "
    "rate of 0.001. Not timed are reading the data, imports, 50 steps to warm up and what JAX "
    "takes to compile. The whole call of fmnistlab's `Trainer.fit` is timed. The loss is that "
    "on the first 2,000 validation images; an epoch that leads out of the band of losses is no "
    "result."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 7)
    add_threads(parser)
    add_models(parser)
    add_contenders(parser, CONTENDERS)


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Trains for one epoch per round, contender and model."""
    with image_folder() as folder:
        jobs = [
            training_job(
                contender,
                {"model": model, "threads": options.threads, **EPOCH},
                folder,
                AFTER_ONE_EPOCH[model],
            )
            for model in options.models
            for contender in options.contenders
        ]
        return jobs, take_turns(jobs, options.rounds)


def describe(results: Sequence[Section]) -> str:
    """Returns two tables for each model and number of threads."""
    sections = sections_by(results, "train")
    return "\n\n".join([NOTE, *(part for section in sections for part in _parts(section) if part)])


def _parts(section: Section) -> list[str]:
    settings, threads = section.settings, threads_text(section.settings["threads"])
    speeds = [
        value_column("seconds for an epoch"),
        rounds_column(),
        ratio_column("times as fast as the tutorial's loop", "tutorial"),
        median_column("loss after it", "loss"),
        median_column("seconds to compile", "compile_seconds"),
        median_column("peak memory in MB", "peak_rss_bytes", unit=1e6),
    ]
    rivals = [ratio_column(f"times as fast as {LABELS[name]}", name) for name in RIVALS]
    return [
        f"### {settings['model']}, {threads}: {settings['images']:,} images in batches of "
        f"{settings['batch_size']}",
        comparison(section, LABELS, speeds),
        honest_note(section, LABELS),
        comparison(section, LABELS, rivals),
    ]
