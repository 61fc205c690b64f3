"""What models say of images that they never saw: each image is held out once in each round."""

from __future__ import annotations

import sys
from typing import Final, Never

import numpy as np
import torch
from tqdm.auto import tqdm

from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.kept_together import rows_kept_together
from fmnistlab.data.schema import NUM_CLASSES
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import whole_number
from fmnistlab.shapes import Float, Int64
from fmnistlab.training.callbacks.progress import IN_NOTEBOOK
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

MOST_FOLDS: Final = 100


def out_of_fold(
    data: FashionMNISTCSV,
    model: str,
    *,
    recipe: Recipe = CLASSIC,
    epochs: int | None = None,
    folds: int = 5,
    seeds: int = 3,
    groups: Int64[np.ndarray, "n"] | None = None,
    device: str | torch.device = "auto",
) -> Float[np.ndarray, "n classes"]:
    """Returns probabilities of each image by models that never saw it, the mean over seeds.

    For each seed the images are dealt into folds of about the same mix of classes, anew, and a
    model is trained on all but one of them, for each fold in turn.

    Args:
        data: the images; they are trained on as they are, without transforms.
        model: the name of a registered model.
        recipe: how to train.
        epochs: how many epochs; the recipe's number if None.
        folds: 2 to 100; more cost more and give each model more images.
        seeds: trainings of each fold, from 1 on.
        groups: a number for each image, int64 (n,); images of equal numbers are in one fold, so
            that none is judged by a model that saw its double. None if all are different.
        device: where to train.

    Returns:
        Probabilities, float64 (n, 10), 0 to 1.

    Raises:
        ConfigurationError: a number is out of range, or a class has fewer images than there are
            folds, so that some models would not know it.
        UnknownModelError: no registered model has the name.
    """
    folds = whole_number("folds", folds, least=2, most=MOST_FOLDS)
    seeds = whole_number("seeds", seeds)
    labels = data.targets.numpy()
    if (reason := why_not(labels, folds)) is not None:
        raise ConfigurationError(f"{data.name}: {reason}.")
    groups = np.arange(len(data)) if groups is None else groups
    plain = FashionMNISTCSV.from_arrays(data.data, data.targets, name=data.name)
    summed = np.zeros((len(data), NUM_CLASSES))
    bar: tqdm[Never] = tqdm(
        total=folds * seeds,
        unit="training",
        desc="out-of-fold predictions",
        file=sys.stderr,
        disable=False if IN_NOTEBOOK else None,
        dynamic_ncols=True,
        leave=False,
    )
    with bar:
        for seed in range(seeds):
            parts = rows_kept_together(labels, groups, [1 / folds] * folds, seed)
            for number, held_out in enumerate(parts):
                if len(held_out):
                    others = np.concatenate([part for at, part in enumerate(parts) if at != number])
                    trainer = Trainer(model, recipe, seed=seed, device=device)
                    trainer.fit(plain.select(others), epochs=epochs)
                    said = trainer.predict(plain.select(held_out)).probabilities
                    summed[held_out] += said.cpu().numpy()
                bar.update()
    return summed / seeds


def why_not(labels: Int64[np.ndarray, "n"], folds: int) -> str | None:
    """Returns why labels cannot be checked by models, in words; None if they can."""
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        return f"all {len(labels):,} images have the label {classes[0]}; there is no other to tell"
    rare = counts.argmin()
    if counts[rare] < folds:
        images = "1 image" if counts[rare] == 1 else f"{counts[rare]} images"
        return (
            f"there is only {images} of label {classes[rare]} for {folds} folds; give each class "
            "at least as many images as there are folds"
        )
    return None
