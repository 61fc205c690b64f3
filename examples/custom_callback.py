"""A callback of your own: note how long the gradient is, and stop a training that is lost.

Run it with ``python examples/custom_callback.py``; it takes about 10 seconds. A callback hears of
everything that happens during `fit`. This one notes loss and gradient every few steps and ends a
training that does worse than a blind guess, here one whose learning rate is 300 times too large.
Then it draws both trainings side by side: look at the picture.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

import fmnistlab
from fmnistlab import plots, testing
from fmnistlab.callbacks import BatchResult, Run
from fmnistlab.metrics import EpochRecord

BLIND_GUESS = math.log(10)
"""Loss of somebody who gives each of the ten classes the same probability: 2.303 nats."""


class GradientLog(fmnistlab.callbacks.Callback):
    """Notes loss and gradient length every few steps; ends a training that is lost.

    Args:
        every: steps from one note to the next.

    Attributes:
        rows: what was noted: step, loss of its batch, length of the gradient.
        stop_reason: why the fit ended before its last epoch; None if it did not.
    """

    def __init__(self, every: int = 25) -> None:
        self.rows: list[tuple[int, float, float]] = []
        self.stop_reason: str | None = None
        self._every = every
        self._readings: list[tuple[int, Tensor]] = []

    def on_fit_start(self, run: Run) -> None:
        """Begins anew, so that one object can watch several fits, one after the other."""
        self.rows, self._readings, self.stop_reason = [], [], None

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        """Takes a reading every few steps, but does not look at it yet.

        Looking, with `.item()`, would make Python wait for the GPU. As long as the numbers stay
        tensors, the GPU can lag behind and nobody waits.
        """
        if result.step % self._every == 0:
            gradients = [p.grad for p in run.model.parameters() if p.grad is not None]
            length = torch.nn.utils.get_total_norm(gradients)
            self._readings.append((result.step, torch.stack([result.loss, length])))

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Looks at all readings of the epoch at once, and ends the fit if it is lost."""
        if self._readings:
            steps, values = zip(*self._readings, strict=True)
            for step, (loss, length) in zip(steps, torch.stack(values).tolist(), strict=True):
                self.rows.append((step, loss, length))
            self._readings = []
        if record.loss > BLIND_GUESS:
            run.stop(f"a mean loss of {record.loss:.1f}; a blind guess has {BLIND_GUESS:.1f}")

    def on_fit_end(self, run: Run) -> None:
        """Keeps the reason, which may be another callback's."""
        self.stop_reason = run.stop_reason


def main() -> None:
    """Checks the callback, watches two trainings with it, and draws what it noted."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)

    # The kit tries a callback with and without validation, twice in a row, and with errors.
    testing.check_callback(GradientLog)
    print("check_callback found nothing wrong with GradientLog\n")

    # The first 12,000 images are enough to see the difference.
    images = fmnistlab.FashionMNISTCSV.bundled("train").select(range(12_000))
    logs = {}
    for learning_rate in (0.001, 0.3):
        recipe = fmnistlab.recipes.CLASSIC.replace(learning_rate=learning_rate)
        log = GradientLog()
        trainer = fmnistlab.Trainer("linearnet", recipe, seed=0, callbacks=[log])
        history = trainer.fit(images, epochs=options.epochs)
        print(f"learning rate {learning_rate}: {len(history)} of {options.epochs} epochs")
        for record in history:
            print(f"  epoch {record.epoch}: loss {record.loss:.4f}, accuracy {record.accuracy:.4f}")
        longest = max(length for _, _, length in log.rows)
        print(f"  longest gradient: {longest:.1f}")
        print(f"  stopped: {log.stop_reason}\n" if log.stop_reason else "  ran to its end\n")
        logs[f"learning rate {learning_rate}"] = log.rows
    print(f"look at {plots.save_figure(draw(logs), options.out / 'gradients.png')}")


def draw(logs: dict[str, list[tuple[int, float, float]]]) -> Figure:
    """Draws loss and gradient length over the steps, one line for each training."""
    figure = Figure(figsize=(8.6, 3.5), layout="constrained")
    axes = figure.subplots(1, 2)
    for (name, rows), color in zip(logs.items(), ("#0072B2", "#D55E00"), strict=True):
        steps, losses, lengths = zip(*rows, strict=True)
        axes[0].plot(steps, losses, color=color, label=name)
        axes[1].plot(steps, lengths, color=color, label=name)
    axes[0].axhline(BLIND_GUESS, color="gray", linestyle=":", label="blind guess")
    for part, title in zip(axes, ("Loss of the batch", "Length of the gradient"), strict=True):
        part.set_title(title, loc="left", fontweight="bold")
        part.set_xlabel("training step")
        part.set_yscale("log")
        part.legend()
    return figure


def parse_options() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Watch two trainings with a callback.")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the data (default: 5)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/custom_callback"),
        help="folder for the picture (default: runs/custom_callback)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
