"""A model of your own in ten lines, checked, trained, and compared with LinearNet.

Run it with ``python examples/custom_model.py``; two epochs of both models take about 20
seconds. A model is any `nn.Module` that turns images (n, 1, 28, 28) into ten scores for each.
`register_model` gives it a name for as long as this process runs; a model that others can install
is in `examples/plugin-package`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from torch import Tensor, nn

import fmnistlab
from fmnistlab import plots, testing


@fmnistlab.register_model("strided")
class StridedNet(nn.Module):
    """Two convolutions that move two pixels at a time, so that no pooling is needed."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, kernel_size=5, stride=2, padding=2),  # 28 -> 14 pixels
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, kernel_size=3, stride=2, padding=1),  # 14 -> 7
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * channels * 7 * 7, 10),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Returns one score for each class; softmax is the loss function's business."""
        scores: Tensor = self.layers(images)
        return scores


def main() -> None:
    """Checks the model, trains it and LinearNet alike, and prints both results."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)

    # The kit tries what a training needs: any number of images, copies, gradients, saving, loading.
    testing.check_model("strided")
    print("check_model found nothing wrong with 'strided'")
    print(f"the models of this process: {', '.join(fmnistlab.list_models())}\n")

    # Options of the constructor go through create_model: this one has half as many channels.
    print(fmnistlab.summary(fmnistlab.create_model("strided", channels=8)), end="\n\n")

    train, test = fmnistlab.load_data()
    fit_set, valid_set = train.split(valid_fraction=0.2, seed=42)

    rows = []
    for name in ("linearnet", "strided"):
        # Same images, same order, same settings: only the model differs.
        trainer = fmnistlab.Trainer(name, seed=0, callbacks=[fmnistlab.callbacks.ProgressBar()])
        history = trainer.fit(fit_set, valid_set, epochs=options.epochs)
        metrics = trainer.evaluate(test)
        low, high = metrics.accuracy_interval()
        seconds = sum(record.seconds for record in history)
        parameters = fmnistlab.summary(trainer.model).parameters
        rows.append((name, parameters, metrics.accuracy, f"{low:.4f} to {high:.4f}", seconds))
        plots.save_figure(plots.plot_curves(history), options.out / f"{name}-curves.png")
        trainer.save(options.out / f"{name}.safetensors")
    columns = ["model", "parameters", "test accuracy", "95 % interval", "seconds"]
    print(pd.DataFrame(rows, columns=columns).to_string(index=False, float_format="{:.4g}".format))

    # The file remembers which model it is of, because create_model made it.
    again = fmnistlab.Trainer.load(options.out / "strided.safetensors")
    print(f"\nloaded again, {type(again.model).__name__} has test {again.evaluate(test)}")
    print(f"curves and models are in {options.out}")


def parse_options() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Train a model of your own beside LinearNet.")
    parser.add_argument("--epochs", type=int, default=2, help="passes over the data (default: 2)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/custom_model"),
        help="folder for curves and models (default: runs/custom_model)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
