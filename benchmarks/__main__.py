"""Measures one training epoch against the tutorial's own loop, interleaved, in one process.

Both sides train the same model on the same 48,000 images in batches of 32. They take turns: some
hundred steps of one, then as many of the other, so that a busy machine slows both alike. Printed
are the medians over all rounds and the median of the ratios, with its quartiles.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import sys
import time
from collections.abc import Iterator

import torch

from benchmarks.tutorial_loop import tutorial_steps
from fmnistlab.data.batches import BatchSource, batch_source
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.models.registry import create_model
from fmnistlab.training.memory_layout import prepare_model
from fmnistlab.training.meter import Meter
from fmnistlab.training.recipes import CLASSIC
from fmnistlab.training.step import TrainingStep

STEPS_PER_EPOCH = 1500


def fmnistlab_steps(name: str, source: BatchSource) -> Iterator[float]:
    """Makes the steps of Trainer.fit, with its meter, one at a time."""
    model = create_model(name)
    prepare_model(model, source.example())
    step = TrainingStep(model, CLASSIC.make_optimizer(model), CLASSIC.training_loss, None)
    epoch = 0
    while True:
        epoch += 1
        meter = Meter()
        for batch in source.training_batches(epoch):
            loss, logits = step(batch)
            meter.add(loss, logits, batch.labels)
            yield 0.0
        meter.metrics()


def measure(name: str, rounds: int, steps: int) -> dict[str, object]:
    """Returns seconds for an epoch of each side and the ratio between them."""
    torch.manual_seed(0)
    train, _ = FashionMNISTCSV.bundled("train").split()
    source = batch_source(train, device=torch.device("cpu"), batch_size=32)
    sides = {
        "tutorial": tutorial_steps(create_model(name), train.data.numpy(), train.targets.numpy()),
        "fmnistlab": fmnistlab_steps(name, source),
    }
    times: dict[str, list[float]] = {side: [] for side in sides}
    for generator in sides.values():
        for _ in range(50):
            next(generator)
    gc.disable()
    for number in range(rounds):
        for side, generator in sides.items():
            started = time.perf_counter()
            for _ in range(steps):
                next(generator)
            times[side].append((time.perf_counter() - started) / steps * STEPS_PER_EPOCH)
        print(f"\r{name}: round {number + 1} of {rounds}", end="", file=sys.stderr)
    print(file=sys.stderr)
    gc.enable()
    ratios = [a / b for a, b in zip(times["tutorial"], times["fmnistlab"], strict=True)]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    return {
        "model": name,
        "rounds": rounds,
        "steps_per_round": steps,
        "tutorial_epoch_seconds": statistics.median(times["tutorial"]),
        "fmnistlab_epoch_seconds": statistics.median(times["fmnistlab"]),
        "ratio": ratio,
        "ratio_quartiles": [low, high],
    }


def main() -> None:
    """Measures both built-in models and prints a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each side (default: 15)")
    parser.add_argument("--steps", type=int, default=200, help="steps in a turn (default: 200)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = [measure(name, options.rounds, options.steps) for name in ("linearnet", "cnn")]
    if options.json:
        print(json.dumps(results, indent=2))
        return
    print(
        f"torch {torch.__version__}, Python {platform.python_version()}, "
        f"{options.threads} threads, {options.rounds} rounds of {options.steps} steps\n"
    )
    print("one training epoch      tutorial   fmnistlab   ratio   quartiles")
    for result in results:
        low, high = result["ratio_quartiles"]  # type: ignore[misc] # a list of two, above
        print(
            f"{result['model']:<20} {result['tutorial_epoch_seconds']:>9.2f} s "
            f"{result['fmnistlab_epoch_seconds']:>9.2f} s {result['ratio']:>6.2f}x   "
            f"{low:.2f} to {high:.2f}"
        )


if __name__ == "__main__":
    main()
