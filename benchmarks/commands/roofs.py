"""What the machine can do at best, and how near an epoch comes to it."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from benchmarks.commands.options import add_rounds
from benchmarks.processes import Measurement, run_worker
from benchmarks.report.comparison import comparison, rounds_column, value_column
from benchmarks.report.markdown import figures, significant, threads_text
from benchmarks.results_file import Section, sections_by
from benchmarks.rounds import Entry, Job, Settings, take_turns

TITLE = "Roofs"

MACHINE = "machine"
"""The only contender: what is measured is the machine."""

NOTE = (
    "The arithmetic is that of all matrix products and convolutions of an epoch, forward and "
    "backward, done at the rate of the product of two large matrices. Small products and "
    "convolutions cannot reach that rate, so it is a floor, not an aim."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 5)


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Measures with one thread and with two, in turns."""
    jobs = [_job({"threads": threads}) for threads in (1, 2)]
    return jobs, take_turns(jobs, options.rounds)


def describe(results: Sequence[Section]) -> str:
    """Returns the rates and, where epochs with as many threads were measured, their shares."""
    parts = []
    for section in sections_by(results, "roofs"):
        columns = [
            value_column(
                "product of two 1024 x 1024 matrices, GFLOP/s", "multiply_flops", unit=1e9
            ),
            value_column("copy, read and written, GB/s", "copy_bytes", unit=1e9),
            value_column("fused Adam, 218,058 parameters, microseconds", "adam_seconds", unit=1e-6),
            rounds_column(),
        ]
        threads = section.settings["threads"]
        parts += [
            f"### {threads_text(threads)}",
            comparison(section, {MACHINE: "this machine"}, columns, number="adam_seconds"),
            _shares(section, sections_by(results, "train")),
        ]
    return "\n\n".join(part for part in [*parts, NOTE] if part)


def _shares(roofs: Section, trainings: Sequence[Section]) -> str:
    """Returns which share of fmnistlab's epoch the arithmetic and the optimizer would take."""
    rows = []
    for section in trainings:
        epochs = section.values("fmnistlab")
        same = section.settings.get("threads") == roofs.settings["threads"]
        if not same or not epochs or not roofs.measured:
            continue
        model, epoch = str(section.settings["model"]), statistics.median(epochs)
        images = int(section.settings["images"])
        floor = images * _median(roofs, f"flop_{model}")
        floor /= _median(roofs, "multiply_flops")
        steps = images / int(section.settings["batch_size"])
        adam = steps * _median(roofs, "adam_seconds")
        rows.append(
            [
                model,
                significant(epoch),
                f"{significant(floor)} ({floor / epoch:.0%})",
                f"{significant(adam)} ({adam / epoch:.0%})" if model == "linearnet" else "",
            ]
        )
    header = ["", "epoch of fmnistlab, s", "its arithmetic, s", "its Adam alone, s"]
    return figures(header, rows) if rows else ""


def _median(section: Section, number: str) -> float:
    return statistics.median(section.values(MACHINE, number))


def _job(settings: Settings) -> Job:
    def measure_once(_number: int) -> Measurement:
        return run_worker("roofs_worker", threads=int(settings["threads"]))

    return Job(MACHINE, settings, measure_once)
