"""Compares shapes of the model and recipes by what they reach on validation images.

    python choose.py --epochs 5 --images 12000 wide deep

The test set is not read: a model that was chosen by it could not be judged by it any more. Each
candidate learns from the same images in the same order; SEEDS are the first weights. Short
trainings on few images favor what learns fast, so look again with more before you believe a small
difference. Needs the package to be installed.
"""

from __future__ import annotations

import argparse
import functools
from typing import Any, NamedTuple

import torch

import fmnistlab
from fmnistlab.data import HorizontalFlip, RandomShift
from fmnistlab.recipes import named_recipe


class Candidate(NamedTuple):
    """What differs from the package's model and recipe.

    Attributes:
        options: of the model.
        changes: settings of the recipe.
    """

    options: dict[str, Any]
    changes: dict[str, Any]


CANDIDATES = {
    "default": Candidate({}, {}),
    "pooled": Candidate({"width": 32, "stages": 2, "pool": True}, {}),
    "narrow": Candidate({"pool": True}, {}),
    "wide": Candidate({"width": 40, "stages": 2, "blocks": 2, "pool": True}, {}),
    "dropout": Candidate({"dropout": 0.2}, {}),
    "rate-0.1": Candidate({}, {"learning_rate": 0.1}),
    "rate-0.4": Candidate({}, {"learning_rate": 0.4}),
    "adamw": Candidate(
        {}, {"optimizer": "adamw", "learning_rate": 5e-3, "weight_decay": 0.05, "momentum": 0.0}
    ),
    "unsmoothed": Candidate({}, {"label_smoothing": 0.0}),
    "not-erased": Candidate({}, {"augmentation": (HorizontalFlip(), RandomShift(2))}),
    "unchanged": Candidate({}, {"augmentation": ()}),
    "batch-64": Candidate({}, {"batch_size": 64, "learning_rate": 0.1}),
}
"""All candidates by name."""


def main() -> None:
    """Trains each candidate and prints a line for each."""
    options = parse_options()
    torch.set_num_threads(options.threads)
    train = fmnistlab.FashionMNISTCSV.bundled("train")
    fit_set, valid_set = train.split(valid_fraction=0.2, seed=42)
    fit_set = fit_set.select(range(min(options.images, len(fit_set))))
    recipe = named_recipe("residual-hour").replace(precision=options.precision)
    print(f"{'candidate':12} parameters        FLOP  seed    loss  accuracy  seconds", flush=True)
    for name in options.candidates:
        candidate = CANDIDATES[name]
        size = fmnistlab.summary(fmnistlab.create_model("residual", **candidate.options))
        for seed in range(options.seeds):
            trainer = fmnistlab.Trainer(
                functools.partial(fmnistlab.create_model, "residual", **candidate.options),
                recipe.replace(**candidate.changes),
                device="cpu",
                seed=seed,
            )
            history = trainer.fit(fit_set, epochs=options.epochs)
            found = trainer.evaluate(valid_set)
            seconds = sum(record.seconds for record in history)
            print(
                f"{name:12} {size.parameters:10,} {size.flops:11,} {seed:5} {found.loss:7.4f} "
                f"{found.accuracy:9.4f} {seconds:8.1f}",
                flush=True,
            )


def parse_options() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Compare candidates on validation images.")
    parser.add_argument("candidates", nargs="*", metavar="CANDIDATE", help=", ".join(CANDIDATES))
    parser.add_argument("--epochs", type=int, default=5, help="passes over the data (default: 5)")
    parser.add_argument(
        "--images", type=int, default=12_000, help="images to learn from (default: 12,000)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each (default: 1)")
    parser.add_argument("--threads", type=int, default=1, help="processor cores (default: 1)")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="bfloat16 is twice as fast on processors with AMX, and slow on old ones",
    )
    options = parser.parse_args()
    options.candidates = options.candidates or list(CANDIDATES)
    unknown = [name for name in options.candidates if name not in CANDIDATES]
    if unknown:
        parser.error(f"there is no candidate {unknown[0]!r}; choose from {', '.join(CANDIDATES)}")
    return options


if __name__ == "__main__":
    main()
