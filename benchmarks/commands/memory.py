"""The most memory that one training epoch of the CNN takes."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.options import add_contenders, add_rounds, add_threads
from benchmarks.commands.train import EPOCH
from benchmarks.contenders import CONTENDERS
from benchmarks.contenders import LABELS as CONTENDER_LABELS
from benchmarks.images import image_folder
from benchmarks.learning import AFTER_ONE_EPOCH
from benchmarks.processes import Measurement, time_command
from benchmarks.report.comparison import comparison, honest_note, rounds_column, value_column
from benchmarks.report.markdown import threads_text
from benchmarks.results_file import Section, sections_by
from benchmarks.rounds import Entry, Job, Settings, take_turns
from benchmarks.training_job import training_job

TITLE = "Memory"

COMMANDS = {
    "fmnistlab_command": "fmnistlab train cnn, data in the cache",
    "fmnistlab_first_command": "fmnistlab train cnn, nothing in the cache",
}

FILL_CACHE = "import fmnistlab; [fmnistlab.FashionMNISTCSV.bundled(p) for p in ('train', 'test')]"

LABELS = CONTENDER_LABELS | COMMANDS

NOTE = (
    "The command `fmnistlab train cnn --epochs 1` does more than the others: it reads and checks "
    "the CSV files, validates, tests, writes a run folder and draws pictures. The others get "
    "arrays and train one epoch."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 3)
    add_threads(parser)
    add_contenders(parser, CONTENDERS)


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Trains for one epoch per round and contender, and with the command line."""
    settings: Settings = {"model": "cnn", "threads": options.threads, **EPOCH}
    with image_folder() as folder, tempfile.TemporaryDirectory() as runs:
        filled = Path(runs) / "cache"
        time_command([sys.executable, "-c", FILL_CACHE], threads=1, variables=_cache(filled))
        jobs = [
            _command_job("fmnistlab_command", settings, Path(runs), filled),
            _command_job("fmnistlab_first_command", settings, Path(runs)),
            *(
                training_job(name, settings, folder, AFTER_ONE_EPOCH["cnn"])
                for name in options.contenders
            ),
        ]
        return jobs, take_turns(jobs, options.rounds)


def describe(results: Sequence[Section]) -> str:
    """Returns one table for each number of threads, the smallest first."""
    sections = sections_by(results, "memory")
    number = "peak_rss_bytes"
    columns = [value_column("peak memory in MB", number, unit=1e6), rounds_column()]
    parts = [NOTE]
    for section in sections:
        parts += [
            f"### {threads_text(section.settings['threads'])}",
            comparison(section, LABELS, columns, number=number),
            honest_note(section, LABELS, number=number, better="smaller"),
        ]
    return "\n\n".join(part for part in parts if part)


def _command_job(name: str, settings: Settings, runs: Path, cache: Path | None = None) -> Job:
    """Returns the job of `fmnistlab train cnn`, with this cache or with an empty one."""
    threads = int(settings["threads"])

    def measure_once(number: int) -> Measurement:
        run, empty = runs / f"{name}-{number}", runs / f"cache-{number}"
        options = ["--epochs", "1", "--threads", str(threads), "--out", str(run)]
        return time_command(
            [sys.executable, "-m", "fmnistlab", "train", "cnn", *options],
            threads=threads,
            variables=_cache(cache or empty),
        )

    return Job(name, settings, measure_once)


def _cache(folder: Path) -> dict[str, str]:
    return {"FMNISTLAB_CACHE": str(folder)}
