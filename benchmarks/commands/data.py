"""Reading the CSV file of the 60,000 training images."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.options import add_rounds, add_threads
from benchmarks.csv_readers import READERS
from benchmarks.processes import Measurement, run_worker
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
from benchmarks.rounds import Entry, Job, Settings, take_turns

TITLE = "Reading the CSV file"

LABELS = {name: reader.label for name, reader in READERS.items()}

SETTLING_SECONDS = 2.1
"""fmnistlab trusts a cached file only if its source was older than 2 s when it was read."""

NOTE = (
    "fmnistlab proves that the file says what was read, byte by byte; the others take much that is "
    "no Fashion-MNIST. Imports are not timed. Every reader's numbers were compared with the file's."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_rounds(parser, 7)
    add_threads(parser)


def measure(options: argparse.Namespace) -> tuple[list[Job], list[Entry]]:
    """Reads once per round and reader, after one round that fills the caches."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.csv"
        run_worker("csv_worker", "write", path, threads=options.threads)
        time.sleep(SETTLING_SECONDS)
        settings: Settings = {
            "threads": options.threads,
            "rows": 60_000,
            "bytes": path.stat().st_size,
        }
        jobs = [_job(reader, settings, path) for reader in READERS]
        return jobs, take_turns(jobs, options.rounds, unmeasured=1)


def describe(results: Sequence[Section]) -> str:
    """Returns one table for each number of threads."""
    sections = sections_by(results, "data")
    columns = [
        value_column("seconds"),
        rounds_column(),
        ratio_column("times as fast as pandas", "pandas"),
        median_column("peak memory in MB", "peak_rss_bytes", unit=1e6),
    ]
    parts = [NOTE]
    for section in sections:
        settings = section.settings
        parts += [
            f"### {threads_text(settings['threads'])}: {settings['rows']:,} rows, "
            f"{int(settings['bytes']) / 1e6:.0f} MB",
            comparison(section, LABELS, columns),
            honest_note(section, LABELS),
        ]
    return "\n\n".join(part for part in parts if part)


def _job(reader: str, settings: Settings, path: Path) -> Job:
    def measure_once(_number: int) -> Measurement:
        return run_worker(
            "csv_worker",
            reader,
            path,
            threads=int(settings["threads"]),
            variables={"FMNISTLAB_CACHE": str(path.parent)},
        )

    return Job(reader, settings, measure_once, READERS[reader].packages)
