"""One training epoch of one contender as something to take turns with."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contenders import CONTENDERS
from benchmarks.learning import check_learned
from benchmarks.processes import Measurement, run_worker
from benchmarks.rounds import Job, Settings


def training_job(
    contender: str, settings: Settings, folder: Path, band: tuple[float, float]
) -> Job:
    """Returns the job of training for one epoch in a fresh process.

    Args:
        contender: its name.
        settings: "model", "threads", "batch_size" and "images".
        folder: of the images.
        band: where the loss must lie after the epoch.
    """

    def measure(number: int) -> Measurement:
        measurement = run_worker(
            "worker",
            contender,
            *("--model", settings["model"]),
            *("--batch-size", settings["batch_size"]),
            *("--images", settings["images"]),
            *("--seed", number),
            *("--folder", folder),
            threads=int(settings["threads"]),
        )
        return check_learned(measurement, band)

    return Job(contender, settings, measure, CONTENDERS[contender].packages)
