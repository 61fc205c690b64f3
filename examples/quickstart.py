"""Quickstart: train a small CNN on Fashion-MNIST, measure it, and ask it about eight images.

Run it with ``python examples/quickstart.py``; two epochs take about 20 seconds. The data, 60,000
images to learn from and 10,000 to test on, ships with fmnistlab, so nothing is downloaded.
`--epochs 10` trains as long as the tutorial does and is right on about 90 of 100 images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import fmnistlab
from fmnistlab import plots


def main() -> None:
    """Trains, measures, predicts, draws and saves."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)

    # The data: a fifth of the training set is put aside to watch progress on unseen images.
    train, test = fmnistlab.load_data()
    fit_set, valid_set = train.split(valid_fraction=0.2, seed=42)
    print(f"{len(fit_set):,} images to learn from, {len(valid_set):,} to validate on")

    # The training; the seed determines the first weights and the order of the images.
    trainer = fmnistlab.Trainer("cnn", seed=0, callbacks=[fmnistlab.callbacks.ProgressBar()])
    history = trainer.fit(fit_set, valid_set, epochs=options.epochs)
    for record in history:
        print(
            f"epoch {record.epoch}: loss {record.loss:.4f}, val_accuracy {record.val_accuracy:.4f}"
        )

    # The result, on images that played no part in anything above.
    print(f"test: {trainer.evaluate(test)}")

    # What does it say about the first eight of them, and how sure is it?
    predictions = trainer.predict(test)
    for row in range(8):
        said = test.classes[predictions.labels[row]]
        true = test.classes[test.targets[row]]
        verdict = "right" if said == true else f"wrong, it is: {true}"
        print(f"image {row}: {said} ({predictions.confidence[row]:.2f}), {verdict}")

    figure = plots.plot_predictions(test.data[:8], predictions.probabilities[:8], test.targets[:8])
    picture = plots.save_figure(figure, options.out / "predictions.png")
    trainer.save(options.out / "cnn.safetensors")
    print(f"look at {picture}; the trained model is {options.out / 'cnn.safetensors'}")


def parse_options() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Train a small CNN on Fashion-MNIST.")
    parser.add_argument("--epochs", type=int, default=2, help="passes over the data (default: 2)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/quickstart"),
        help="folder for the picture and the model (default: runs/quickstart)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
