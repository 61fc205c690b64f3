"""Metrics that are known by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from torch import Tensor

from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Float, Int64
from fmnistlab.training.extra_metrics.mode import Mode


class NamedMetric(NamedTuple):
    """A metric that is known by name.

    Attributes:
        function: of the scores (images, classes) and labels (images,) of at least one image.
        mode: whether it is best when small or when large.
    """

    function: Callable[[Tensor, Tensor], float]
    mode: Mode


def _top_k_accuracy(
    logits: Float[Tensor, "images classes"], labels: Int64[Tensor, "images"], *, k: int
) -> float:
    """Returns the fraction of images whose class is among the `k` with the highest scores."""
    if k >= logits.shape[1]:
        raise ConfigurationError(
            f"with {logits.shape[1]} classes each one is among the first {k}, so it is always 1"
        )
    highest = logits.argsort(dim=1, descending=True, stable=True)[:, :k]
    return int((highest == labels.unsqueeze(1)).sum()) / len(labels)


def _macro_f1(logits: Float[Tensor, "images classes"], labels: Int64[Tensor, "images"]) -> float:
    """Returns the mean of the F1 scores of all classes that are there or were predicted."""
    right, there, predicted = _counts(logits, labels)
    known = there + predicted > 0
    return float((2 * right[known] / (there + predicted)[known]).mean())


def _balanced_accuracy(
    logits: Float[Tensor, "images classes"], labels: Int64[Tensor, "images"]
) -> float:
    """Returns the mean of the recalls of all classes that are there."""
    right, there, _ = _counts(logits, labels)
    return float((right[there > 0] / there[there > 0]).mean())


def _matthews_corrcoef(
    logits: Float[Tensor, "images classes"], labels: Int64[Tensor, "images"]
) -> float:
    """Returns Matthews' coefficient of correlation, -1 to 1; 0 where nothing defines it."""
    right, there, predicted = _counts(logits, labels)
    images = float(len(labels))
    spread = float((images**2 - predicted @ predicted) * (images**2 - there @ there))
    return float(right.sum() * images - there @ predicted) / spread**0.5 if spread else 0.0


def _error(logits: Float[Tensor, "images classes"], labels: Int64[Tensor, "images"]) -> float:
    """Returns the fraction of images whose most probable class is a wrong one."""
    return int((logits.argmax(dim=1) != labels).sum()) / len(labels)


def _counts(
    logits: Float[Tensor, "images classes"], labels: Int64[Tensor, "images"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns how many images of each class are right, are there, were predicted, float64."""
    predicted = logits.argmax(dim=1)
    right = labels[predicted == labels]
    counts = [torch.bincount(of, minlength=logits.shape[1]) for of in (right, labels, predicted)]
    first, second, third = (count.to(torch.float64) for count in counts)
    return first, second, third


NAMED: Final[dict[str, NamedMetric]] = {
    **{
        f"top_{k}_accuracy": NamedMetric(functools.partial(_top_k_accuracy, k=k), "max")
        for k in range(2, 10)
    },
    "macro_f1": NamedMetric(_macro_f1, "max"),
    "balanced_accuracy": NamedMetric(_balanced_accuracy, "max"),
    "matthews_corrcoef": NamedMetric(_matthews_corrcoef, "max"),
    "error": NamedMetric(_error, "min"),
}
"""All of them, in scikit-learn's sense where it has them."""


def known_mode(metric: str) -> Mode | None:
    """Returns whether a metric is best when small or when large, or None if its name does not tell.

    Args:
        metric: as a history names it, such as "val_loss" or "val_macro_f1".
    """
    plain = metric.removeprefix("val_")
    if plain == "loss":
        return "min"
    if plain == "accuracy":
        return "max"
    return NAMED[plain].mode if plain in NAMED else None
