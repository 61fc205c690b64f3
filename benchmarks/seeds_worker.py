"""Four trainings with different seeds, in a process of its own; the result is a line of JSON.

    python -m benchmarks.seeds_worker --model cnn --jobs 2

`seconds` are those of the whole call of `fit_seeds`, processes that it starts included, unless
`--started` has them started before. `loss` is the highest mean cross-entropy of the four models on
the first 2,000 validation images.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from pathlib import Path

import torch

from benchmarks.images import Images, image_folder, load_images
from benchmarks.processes import Measurement
from benchmarks.worker import JUDGED
from fmnistlab import FashionMNISTCSV, fit_seeds


def measure(
    model: str, jobs: int, epochs: int, first_seed: int, folder: Path, *, started_before: bool
) -> Measurement:
    """Trains four models, `jobs` of them at a time, in processes that may be there already."""

    def data(images: Images) -> FashionMNISTCSV:
        return FashionMNISTCSV.from_arrays(*images)

    torch.set_num_threads(1)
    fit = data(load_images(folder, "fit"))
    valid = data(load_images(folder, "valid").first(JUDGED))
    seeds = range(4 * first_seed, 4 * first_seed + 4)
    if started_before:
        few = data(load_images(folder, "fit").first(JUDGED))
        fit_seeds(model, few, seeds=range(jobs), epochs=1, device="cpu", n_jobs=jobs)
    started = time.perf_counter()
    trainers = fit_seeds(model, fit, seeds=seeds, epochs=epochs, device="cpu", n_jobs=jobs)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "loss": max(trainer.evaluate(valid).loss for trainer in trainers)}


def main() -> None:
    """Measures once and prints the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeds_worker", description=__doc__)
    parser.add_argument("--model", choices=("linearnet", "cnn"), required=True)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="another number, other four seeds")
    parser.add_argument("--folder", type=Path, help="of the images, if they are prepared")
    parser.add_argument(
        "--threads", type=int, default=1, help="in each process; only 1 is possible"
    )
    parser.add_argument("--started", action="store_true", help="time no start of processes")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or stack.enter_context(image_folder())
        result = measure(
            *(options.model, options.jobs, options.epochs, options.seed, folder),
            started_before=options.started,
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
