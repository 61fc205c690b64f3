"""Other batch sizes and smaller data sets: seconds per 1,000 images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.commands.options import add_contenders, add_models, add_rounds, add_threads
from benchmarks.contenders import LABELS
from benchmarks.images import image_folder
from benchmarks.learning import AFTER_FEW_STEPS, AFTER_WHOLE_EPOCH
from benchmarks.report.comparison import honest_note, ratio
from benchmarks.report.markdown import figures, threads_text, with_quartiles
from benchmarks.results_file import Section, sections_by
from benchmarks.rounds import Entry, Job, take_turns
from benchmarks.summaries import spread
from benchmarks.training_job import training_job

TITLE = "Batch size and data size"

NAMES = ("tutorial", "dataloader", "eager", "fmnistlab")

ALL_IMAGES = 48_000

CASES = (
    *((batch_size, ALL_IMAGES) for batch_size in (8, 32, 128, 512)),
    *((32, images) for images in (1_000, 6_000)),
)
"""Pairs of batch size and number of images."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 3)
    add_threads(parser)
    add_models(parser)
    add_contenders(parser, NAMES)


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Trains for one epoch per round, contender, model and case."""
    with image_folder() as folder:
        jobs = [
            training_job(
                contender,
                {
                    "model": model,
                    "threads": options.threads,
                    "batch_size": batch_size,
                    "images": images,
                },
                folder,
                AFTER_WHOLE_EPOCH if images == ALL_IMAGES else AFTER_FEW_STEPS,
            )
            for model in options.models
            for batch_size, images in CASES
            for contender in options.contenders
        ]
        return jobs, take_turns(jobs, options.rounds)


def describe(results: Sequence[Section]) -> str:
    """Returns one table for each model and number of threads, with one row for each case."""
    sections = sections_by(results, "scaling")
    parts = []
    groups = dict.fromkeys((s.settings["model"], s.settings["threads"]) for s in sections)
    for model, threads in groups:
        chosen = [
            section
            for section in sections
            if (section.settings["model"], section.settings["threads"]) == (model, threads)
        ]
        parts += [f"### {model}, {threads_text(threads)}: seconds per 1,000 images", _table(chosen)]
        parts += [_note(section) for section in chosen]
    return "\n\n".join(part for part in parts if part)


def seconds_per_thousand(section: Section, name: str) -> list[float]:
    """Returns the time for 1,000 images in each round."""
    return [seconds / int(section.settings["images"]) * 1000 for seconds in section.values(name)]


def _table(sections: Sequence[Section]) -> str:
    header = [
        "batch size",
        "images",
        *(LABELS[name] for name in NAMES),
        *(f"fmnistlab's speed over {LABELS[name]}" for name in NAMES[:-1]),
    ]
    rows = [
        [
            f"{section.settings['batch_size']}",
            f"{section.settings['images']:,}",
            *(_seconds(section, name) for name in NAMES),
            *(_ratio(section, name) for name in NAMES[:-1]),
        ]
        for section in sections
    ]
    return figures(header, rows)


def _note(section: Section) -> str:
    note = honest_note(section, LABELS)
    size, images = section.settings["batch_size"], section.settings["images"]
    return f"{images:,} images in batches of {size}: {note}" if note else ""


def _seconds(section: Section, name: str) -> str:
    values = seconds_per_thousand(section, name)
    return with_quartiles(spread(values)) if values else _reason(section, name)


def _ratio(section: Section, name: str) -> str:
    found = ratio(section, "fmnistlab", name)
    return "" if found is None else with_quartiles(found)


def _reason(section: Section, name: str) -> str:
    entry = section.entries.get(name)
    return "" if entry is None else f"{entry.status}: {entry.reason}"
