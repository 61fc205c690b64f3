"""Weights of classes that make up for how many images each has."""

from __future__ import annotations

import torch

from fmnistlab.data.batch import BatchSource
from fmnistlab.data.schema import NUM_CLASSES
from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Shaped
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.recipes.setting_checks import BALANCED


def balanced_weights(labels: Shaped[torch.Tensor, "images ..."], classes: int) -> tuple[float, ...]:
    """Returns n / (classes that occur * images of the class) for each class, as scikit-learn does.

    Args:
        labels: class numbers, or one-hot rows; those below 0 are not counted.
        classes: how many weights; a class without images gets 1.

    Raises:
        ConfigurationError: no label is a class.
    """
    numbers = labels if labels.ndim == 1 else labels.argmax(dim=1)
    counts = torch.bincount(numbers[numbers >= 0].cpu().to(torch.int64), minlength=classes)
    total, present = int(counts.sum()), int((counts > 0).sum())
    if not total:
        raise ConfigurationError('class_weights="balanced" needs images, and no label is a class.')
    return tuple(total / (present * count) if count else 1.0 for count in counts.tolist())


def with_class_weights(recipe: Recipe, source: BatchSource, classes: int = NUM_CLASSES) -> Recipe:
    """Returns a recipe whose "balanced" weights are numbers; others as they are.

    Args:
        recipe: how to train.
        source: what it is trained with.
        classes: scores that the model gives for an image.

    Raises:
        ConfigurationError: the labels are not known before they are read.
    """
    if recipe.class_weights != BALANCED:
        return recipe
    labels = source.labels
    if labels is None:
        raise ConfigurationError(
            'class_weights="balanced" needs a data set that lies in memory, whose labels are known '
            "before the first step. Give one number for each class."
        )
    return recipe.replace(class_weights=balanced_weights(labels, classes))
