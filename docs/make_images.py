"""Draws the pictures of README.md and of these pages, from trainings on the real data.

    python docs/make_images.py [RUNS]

Both models are trained as in docs/tutorial.md: ten epochs, seed 0; one thread, so that the number
of cores does not matter. That takes some minutes, and the comparison of docs/accuracy.md, 26 seeds
of both, half an hour more. RUNS is where the checkpoints are kept, `runs/docs` if not given; a
training that is there already is not repeated.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image

import fmnistlab
from fmnistlab import plots
from fmnistlab.data import (
    AlternatingFlip,
    FashionMNISTCSV,
    HorizontalFlip,
    RandomAffine,
    RandomErasing,
    RandomShift,
)
from fmnistlab.metrics import confusion_matrix
from fmnistlab.training.trainer import Trainer

IMAGES = Path(__file__).parent / "images"
LARGEST = 200_000  # bytes
AUGMENTATIONS = (
    HorizontalFlip(),
    AlternatingFlip(),
    RandomShift(),
    RandomErasing(value=0.5),
    RandomAffine(),
)


def trained(name: str, train: FashionMNISTCSV, runs: Path) -> Trainer:
    """Returns the trainer of a finished training, which is made if it is not there."""
    path = runs / f"{name}.safetensors"
    if not path.exists():
        fit_set, valid_set = train.split(valid_fraction=0.2, seed=42)
        trainer = Trainer(name, seed=0, device="cpu")
        trainer.fit(fit_set, valid_set)
        runs.mkdir(parents=True, exist_ok=True)
        trainer.save(path)
    return Trainer.load(path, device="cpu")


def copy_comparison(runs: Path) -> None:
    """Takes over the pictures of the comparison that docs/accuracy.md tells of."""
    comparison = fmnistlab.compare(["linearnet", "cnn"], seeds=26, out=runs / "accuracy")
    for sentence in comparison.verdicts:
        print(sentence)
    for shown in ("curves", "intervals", "accuracy-parameters"):
        drawn = Image.open(runs / "accuracy" / f"{shown}.png").convert("RGB")
        # Fewer colors: 52 lines over each other make a large file.
        drawn.quantize(128).save(IMAGES / f"compared-{shown}.png", optimize=True)


def save(name: str, figure: Figure) -> None:
    """Writes a picture and says how large it is."""
    path = plots.save_figure(figure, IMAGES / f"{name}.png")
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes{', too large' if size > LARGEST else ''}")


def main(runs: Path) -> None:
    """Draws all pictures and says how large they are."""
    torch.set_num_threads(1)
    train, test = FashionMNISTCSV.bundled("train"), FashionMNISTCSV.bundled("test")
    figures = {
        "samples": plots.plot_samples(train.data, train.targets, title=train.name),
        "augmentation": plots.plot_augmentation(train.data[[0, 8]], AUGMENTATIONS),
    }
    histories = {}
    for name in ("linearnet", "cnn"):
        trainer = trained(name, train, runs)
        predictions = trainer.predict(test)
        unsure = predictions.confidence.argsort()[:4]
        histories[name] = trainer.history
        run = f"{name}, seed 0"
        matrix = confusion_matrix(test.targets, predictions)
        figures |= {
            f"curves-{name}": plots.plot_curves(trainer.history, title=run),
            f"confusion-{name}": plots.plot_confusion(matrix, title=f"{run}, test set"),
            f"mistakes-{name}": plots.plot_mistakes(
                test.data, test.targets, predictions, title=run
            ),
            f"predictions-{name}": plots.plot_predictions(
                test.data[unsure],
                predictions.probabilities[unsure],
                test.targets[unsure],
                title=f"{run}: least sure of",
            ),
        }
        print(f"{name}: {trainer.evaluate(test)}")
    figures["curves-both"] = plots.plot_curves(histories, title="seed 0")
    seen = fmnistlab.learning_rate_range("cnn", train, device="cpu")
    figures["learning-rate-range"] = plots.plot_learning_rate_range(seen, title="cnn, seed 0")
    for shown in (
        "samples",
        "learning-rate-range",
        "augmentation",
        "curves-linearnet",
        "curves-cnn",
        "curves-both",
        "confusion-cnn",
        "mistakes-cnn",
        "predictions-cnn",
    ):
        save(shown, figures[shown])
    copy_comparison(runs)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/docs"))
