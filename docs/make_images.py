"""Draws the pictures of README.md and of these pages, from trainings on the real data.

    python docs/make_images.py [RUNS]

Both models are trained as in docs/tutorial.md: ten epochs, seed 0; one thread, so that the number
of cores does not matter. That takes some minutes. The pictures of many seeds are of short trainings
on the first 6,000 images, seeds 0 to 9. RUNS is where the checkpoints are kept, `runs/docs` if not
given; a training that is there already is not repeated.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

import fmnistlab
from fmnistlab import plots
from fmnistlab.data import FashionMNISTCSV
from fmnistlab.metrics import confusion_matrix
from fmnistlab.recipes import CLASSIC
from fmnistlab.statistics import REFERENCES, accuracy_estimates, difference, spread
from fmnistlab.training.trainer import Trainer

IMAGES = Path(__file__).parent / "images"
LARGEST = 200_000  # bytes


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


def of_many_seeds(train: FashionMNISTCSV, test: FashionMNISTCSV, runs: Path) -> dict[str, Figure]:
    """Returns the pictures of short trainings of two models, one of them with two recipes."""
    fit_set, valid_set = train.select(range(6_000)).split(valid_fraction=0.2, seed=42)
    histories, spreads, points = {}, {}, []
    faster = replace(CLASSIC, learning_rate=0.003)
    for name, model, recipe in (
        ("linearnet", "linearnet", CLASSIC),
        ("cnn", "cnn", CLASSIC),
        ("cnn, rate 0.003", "cnn", faster),
    ):
        trainers = fmnistlab.fit_seeds(
            model,
            fit_set,
            valid_set,
            seeds=range(10),
            recipe=recipe,
            epochs=8,
            device="cpu",
            checkpoints=runs / f"seeds-{model}-{recipe.learning_rate}",
        )
        right = [
            np.asarray(trainer.predict(test).labels == test.targets, dtype=np.uint8)
            for trainer in trainers
        ]
        histories[name] = [trainer.history for trainer in trainers]
        spreads[name] = spread(np.stack(right))
        seconds = [sum(record.seconds for record in each) for each in histories[name]]
        points.append(
            plots.TradeoffPoint(
                name,
                sum(parameter.numel() for parameter in trainers[0].model.parameters()),
                float(np.mean(seconds)),
                accuracy_estimates(spreads[name]),
            )
        )
    differences = {
        "cnn \N{MINUS SIGN} linearnet": difference(spreads["cnn"], spreads["linearnet"]),
        "cnn, rate 0.003 \N{MINUS SIGN} cnn": difference(
            spreads["cnn, rate 0.003"], spreads["cnn"]
        ),
    }
    told = "8 epochs of 4,800 images, 10 seeds each"
    # More lines, or longer ones, would take too many bytes.
    shown = {name: histories[name] for name in ("linearnet", "cnn")}
    small = Figure(figsize=(7.2, 4.4), facecolor="white")
    return {
        "seeds": plots.plot_seeds(shown, title=told, figure=small),
        "intervals": plots.plot_intervals(differences, title=told),
        "tradeoff": plots.plot_tradeoff(points, title=told, references=REFERENCES[:1]),
    }


def save(name: str, figure: Figure) -> None:
    """Writes a picture and says how large it is."""
    path = plots.save_figure(figure, IMAGES / f"{name}.png")
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes{', too large' if size > LARGEST else ''}")


def main(runs: Path) -> None:
    """Draws all pictures and says how large they are."""
    torch.set_num_threads(1)
    train, test = FashionMNISTCSV.bundled("train"), FashionMNISTCSV.bundled("test")
    figures = {"samples": plots.plot_samples(train.data, train.targets, title=train.name)}
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
    for shown in (
        "samples",
        "curves-linearnet",
        "curves-cnn",
        "curves-both",
        "confusion-cnn",
        "mistakes-cnn",
        "predictions-cnn",
    ):
        save(shown, figures[shown])
    for name, figure in of_many_seeds(train, test, runs).items():
        save(name, figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/docs"))
