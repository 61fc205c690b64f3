"""How the named recipes were chosen: candidates compared on validation data, never on test data.

    python scripts/choose_recipes.py --out runs/choice [--only fast balanced best] [--seeds 3]

Each candidate trains the CNN and LinearNet on the 48,000 images of the usual split and is judged by
the 12,000 others, after its last epoch. Nothing here reads the test set. Finished trainings are not
made again, so the same call goes on where it was interrupted, and more seeds are the same call.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Final

from fmnistlab import FashionMNISTCSV, fit_seeds
from fmnistlab.data import AlternatingFlip, HorizontalFlip, RandomShift
from fmnistlab.recipes import CLASSIC, Recipe

ONE_CYCLE: Final = CLASSIC.replace(schedule="one_cycle")
DECAYED: Final = ONE_CYCLE.replace(optimizer="adamw", weight_decay=0.05)
LINEAR: Final = DECAYED.replace(schedule="linear", warmup_epochs=1.0)
COSINE: Final = LINEAR.replace(schedule="cosine")
SGD: Final = Recipe(
    optimizer="sgd",
    momentum=0.9,
    nesterov=True,
    weight_decay=5e-4,
    schedule="linear",
    warmup_epochs=1.0,
)
FLIP: Final = HorizontalFlip()


def decayed(decay: float) -> str:
    """Returns a weight decay in words; 0.05 is the usual one here."""
    return "decay" if decay == 0.05 else f"decay {decay:g}"


def smoothed(smoothing: float) -> str:
    """Returns a label smoothing in words, with a comma before; nothing for none."""
    return f", smoothing {smoothing:g}" if smoothing else ""


CANDIDATES: Final[dict[str, dict[str, Recipe]]] = {
    "fast": {
        f"{epochs} epochs of {batch} to {rate:g}{words}": base.replace(
            epochs=epochs, batch_size=batch, learning_rate=rate
        )
        for epochs, batch, rate, words, base in [
            (3, 64, 1e-2, "", ONE_CYCLE),
            (3, 64, 1e-2, ", decay", DECAYED),
            (4, 64, 1e-2, "", ONE_CYCLE),
            (4, 64, 1e-2, ", decay", DECAYED),
            (4, 96, 1.5e-2, "", ONE_CYCLE),
            (4, 128, 2e-2, "", ONE_CYCLE),
            (5, 128, 2e-2, "", ONE_CYCLE),
        ]
    }
    | {
        f"{epochs} of {batch} linear from {rate:g}, up in {rise:g}, {decayed(decay)}"
        f"{smoothed(smoothing)}": LINEAR.replace(
            epochs=epochs,
            batch_size=batch,
            learning_rate=rate,
            warmup_epochs=rise,
            weight_decay=decay,
            label_smoothing=smoothing,
        )
        for epochs, batch, rate, rise, decay, smoothing in [
            (3, 64, 1e-2, 0.25, 0.05, 0.1),
            (3, 128, 2e-2, 0.25, 0.05, 0.1),
            (4, 48, 1e-2, 0.5, 0.0, 0.0),
            (4, 48, 7e-3, 0.5, 0.0, 0.0),
            (4, 48, 8e-3, 0.5, 0.05, 0.0),
            (4, 48, 1e-2, 0.5, 0.05, 0.0),
            (4, 64, 5e-3, 1.0, 0.0, 0.0),
            (4, 64, 1e-2, 1.0, 0.0, 0.0),
            (4, 64, 1.5e-2, 1.0, 0.0, 0.0),
            (4, 64, 1e-2, 0.5, 0.0, 0.0),
            (4, 64, 1e-2, 0.25, 0.0, 0.0),
            (4, 64, 1.5e-2, 0.5, 0.0, 0.0),
            (4, 64, 1e-2, 1.0, 0.05, 0.0),
            (4, 64, 1e-2, 0.5, 0.02, 0.0),
            (4, 64, 1e-2, 0.5, 0.05, 0.0),
            (4, 64, 1.5e-2, 0.5, 0.05, 0.0),
            (4, 64, 1.5e-2, 0.3, 0.05, 0.0),
            (4, 64, 1.2e-2, 0.5, 0.1, 0.0),
            (4, 64, 1e-2, 0.5, 0.0, 0.05),
            (4, 64, 1e-2, 0.5, 0.05, 0.05),
            (4, 64, 1e-2, 0.25, 0.05, 0.05),
            (4, 64, 1e-2, 0.5, 0.05, 0.1),
            (4, 64, 1.5e-2, 0.5, 0.05, 0.1),
            (4, 64, 1e-2, 0.25, 0.05, 0.1),
            (4, 64, 1e-2, 0.25, 0.05, 0.15),
            (4, 64, 1e-2, 0.5, 0.05, 0.15),
            (4, 96, 1.5e-2, 0.5, 0.0, 0.0),
            (4, 128, 2e-2, 1.0, 0.0, 0.0),
            (4, 128, 2e-2, 0.5, 0.0, 0.0),
            (4, 128, 2e-2, 0.25, 0.0, 0.1),
            (4, 128, 2e-2, 0.25, 0.05, 0.05),
            (4, 128, 1.5e-2, 0.25, 0.05, 0.1),
            (4, 128, 2e-2, 0.25, 0.05, 0.1),
            (4, 128, 3e-2, 0.25, 0.05, 0.1),
            (4, 128, 2e-2, 0.25, 0.05, 0.15),
            (5, 128, 1e-2, 1.0, 0.0, 0.0),
            (5, 128, 2e-2, 1.0, 0.0, 0.0),
        ]
    },
    "balanced": {
        "classic": CLASSIC,
        "32 to 3e-3": ONE_CYCLE.replace(learning_rate=3e-3),
        "32 to 5e-3": ONE_CYCLE.replace(learning_rate=5e-3),
        "64 to 5e-3": ONE_CYCLE.replace(batch_size=64, learning_rate=5e-3),
        "64 to 1e-2": ONE_CYCLE.replace(batch_size=64, learning_rate=1e-2),
        "32 to 5e-3, decay": DECAYED.replace(learning_rate=5e-3),
        "64 to 5e-3, decay": DECAYED.replace(batch_size=64, learning_rate=5e-3),
        "64 to 1e-2, decay": DECAYED.replace(batch_size=64, learning_rate=1e-2),
        "32 to 5e-3, decay 0.2": DECAYED.replace(learning_rate=5e-3, weight_decay=0.2),
        "32 to 5e-3, decay, flips": DECAYED.replace(learning_rate=5e-3, augmentation=(FLIP,)),
        "32 to 5e-3, decay, alternating flips": DECAYED.replace(
            learning_rate=5e-3, augmentation=(AlternatingFlip(),)
        ),
        "32 to 3e-3, decay 0.1, average 0.999": DECAYED.replace(
            learning_rate=3e-3, weight_decay=0.1, ema_decay=0.999
        ),
        "sgd, 32 linear from 0.1": SGD.replace(learning_rate=0.1),
        "sgd, 32 linear from 0.05": SGD.replace(learning_rate=0.05),
    }
    | {
        f"{batch} {words}{rate}, {decayed(decay)}{smoothed(smoothing)}": base.replace(
            batch_size=batch,
            learning_rate=float(rate),
            weight_decay=decay,
            label_smoothing=smoothing,
        )
        for words, base, settings in [
            (
                "to ",
                DECAYED,
                [
                    (32, "2e-3", 0.05, 0.0),
                    (32, "2e-3", 0.1, 0.0),
                    (32, "2e-3", 0.2, 0.0),
                    (32, "3e-3", 0.05, 0.0),
                    (32, "3e-3", 0.1, 0.0),
                    (32, "3e-3", 0.1, 0.1),
                    (32, "5e-3", 0.05, 0.1),
                    (32, "5e-3", 0.1, 0.0),
                    (64, "3e-3", 0.1, 0.0),
                    (64, "3e-3", 0.1, 0.1),
                    (64, "3e-3", 0.2, 0.0),
                    (64, "5e-3", 0.1, 0.0),
                    (64, "1e-2", 0.1, 0.0),
                ],
            ),
            (
                "linear from ",
                LINEAR,
                [
                    (16, "3e-3", 0.05, 0.0),
                    (32, "1e-3", 0.1, 0.0),
                    (32, "2e-3", 0.05, 0.0),
                    (32, "2e-3", 0.1, 0.0),
                    (32, "2e-3", 0.1, 0.1),
                    (32, "3e-3", 0.02, 0.0),
                    (32, "3e-3", 0.05, 0.0),
                    (32, "3e-3", 0.05, 0.1),
                    (32, "5e-3", 0.02, 0.0),
                    (32, "5e-3", 0.05, 0.0),
                    (32, "5e-3", 0.05, 0.05),
                    (32, "5e-3", 0.05, 0.1),
                    (32, "5e-3", 0.1, 0.0),
                    (32, "8e-3", 0.05, 0.0),
                    (64, "2e-3", 0.1, 0.0),
                    (64, "3e-3", 0.05, 0.1),
                    (64, "2e-3", 0.2, 0.1),
                    (64, "3e-3", 0.1, 0.1),
                    (64, "3e-3", 0.1, 0.2),
                    (64, "5e-3", 0.05, 0.1),
                    (64, "5e-3", 0.1, 0.1),
                    (64, "1e-2", 0.05, 0.0),
                ],
            ),
            ("cosine from ", COSINE, [(32, "5e-3", 0.05, 0.0)]),
        ]
        for batch, rate, decay, smoothing in settings
    },
    "best": {
        f"{epochs} epochs of {batch} to {rate:g}{words}": DECAYED.replace(
            epochs=epochs, batch_size=batch, learning_rate=rate, augmentation=changes
        )
        for epochs, batch, rate, words, changes in [
            (30, 32, 5e-3, "", ()),
            (30, 32, 5e-3, ", flips", (FLIP,)),
            (60, 64, 1e-2, ", flips", (FLIP,)),
            (60, 64, 1e-2, ", flips, shifts", (FLIP, RandomShift(1))),
        ]
    },
}


def main() -> None:
    """Trains all candidates and prints a table for each budget and model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=[*CANDIDATES])
    parser.add_argument("--models", nargs="+", default=["cnn", "linearnet"])
    parser.add_argument("--seeds", type=int, default=3, help="seeds from 100 on (default: 3)")
    parser.add_argument("--jobs", type=int, default=-1, help="trainings at a time")
    options = parser.parse_args()
    fit_set, valid_set = FashionMNISTCSV.bundled("train").split(valid_fraction=0.2, seed=42)
    for budget in options.only:
        for model in options.models:
            print(f"\n{budget}, {model}\n", flush=True)
            print("| candidate | validation accuracy | each seed | seconds of an epoch |")
            print("| --- | ---: | --- | ---: |")
            for name, recipe in CANDIDATES[budget].items():
                trainers = fit_seeds(
                    model,
                    fit_set,
                    valid_set,
                    seeds=range(100, 100 + options.seeds),
                    recipe=recipe,
                    checkpoints=options.out / budget / model / name.replace(" ", "-"),
                    n_jobs=options.jobs,
                )
                found = [trainer.history[-1].val_accuracy or 0.0 for trainer in trainers]
                seconds = [record.seconds for trainer in trainers for record in trainer.history]
                each = ", ".join(f"{value:.4f}" for value in found)
                print(
                    f"| {name} | {statistics.mean(found):.4f} | {each} "
                    f"| {statistics.median(seconds):.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
