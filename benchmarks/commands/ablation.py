"""What each part of the recorded step gains on this processor, and what recording gains at all."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from benchmarks.commands.options import MODELS, add_rounds
from benchmarks.processes import Measurement, run_worker
from benchmarks.report.markdown import figures, significant, threads_text, with_quartiles
from benchmarks.results_file import Section, sections_by
from benchmarks.rounds import Entry, Job, Settings, take_turns
from benchmarks.summaries import paired_ratios, spread

TITLE = "What recording a step gains"

STEP = "step"
"""The only contender: what is measured are ways to make the same step."""

WITHOUT = {
    "recorded": (),
    "without convolutions as products": ("convolutions",),
    "without cropping": ("cropping",),
    "without weights by columns": ("columns",),
    "without weights side by side": ("weights",),
    "without all of these": ("convolutions", "cropping", "weights"),
}
"""What is left out of the recorded step. Without weights side by side is without columns too."""

EAGER = "eager"
WAYS = (*WITHOUT, EAGER)

NOTE = (
    "Microseconds for a step of 32 real images with the classic recipe. In each round, a fresh "
    "process, every way gets a turn of 300 steps after one that does not count. The speed is that "
    "of the recorded step against this way within a round, the median and the quartiles: above 1 "
    "means that the recorded step is faster."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 15)


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Measures with one thread and with two, in turns."""
    jobs = [_job({"threads": threads}) for threads in (1, 2)]
    return jobs, take_turns(jobs, options.rounds)


def describe(results: Sequence[Section]) -> str:
    """Returns a table for each model and number of threads."""
    parts = [
        _table(section, model)
        for section in sections_by(results, "ablation")
        for model in MODELS
        if section.measured
    ]
    return "\n\n".join([NOTE, *parts])


def _table(section: Section, model: str) -> str:
    recorded = section.values(STEP, f"{model} {WAYS[0]}")
    rows = []
    for way in WAYS:
        values = section.values(STEP, f"{model} {way}")
        speed = spread([1 / ratio for ratio in paired_ratios(recorded, values)])
        rows.append(
            [
                way,
                significant(min(values)),
                significant(statistics.median(values)),
                with_quartiles(speed),
                str(len(values)),
            ]
        )
    header = ["", "minimum", "median", "speed of the recorded step", "n"]
    return f"### {model}, {threads_text(section.settings['threads'])}\n\n{figures(header, rows)}"


def _job(settings: Settings) -> Job:
    def measure_once(_number: int) -> Measurement:
        return run_worker("ablation_worker", threads=int(settings["threads"]))

    return Job(STEP, settings, measure_once)
