"""How sure one can be of precision, recall and F1 of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fmnistlab.data.schema import NUM_CLASSES
from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Int64
from fmnistlab.training.records.metrics import wilson_interval

_SHAPE: Final = (NUM_CLASSES, NUM_CLASSES)


@dataclass(frozen=True)
class ClassIntervals:
    """Ends of intervals for the scores of one class, fractions; (0.0, 1.0) without any images.

    Attributes:
        precision: Wilson's score interval.
        recall: likewise.
        f1: Wilson's score interval of the share of images that are of the class and predicted as
            it, among those that are either, taken through F1 = 2 J / (1 + J): the "Wilson indirect"
            interval of K. F. Y. Lam, arXiv 2309.14621 (2023).
    """

    precision: tuple[float, float]
    recall: tuple[float, float]
    f1: tuple[float, float]


def class_intervals(
    matrix: Int64[np.ndarray, "10 10"], confidence: float = 0.95
) -> tuple[ClassIntervals, ...]:
    """Returns intervals of precision, recall and F1 for each of the ten classes.

    Args:
        matrix: what `confusion_matrix` returned.
        confidence: share of such intervals that hold the true score, between 0 and 1.

    Returns:
        One for each class, in the order of the labels.

    Raises:
        ConfigurationError: `confidence` is not between 0 and 1, or a count is negative.
    """
    if matrix.shape != _SHAPE or (matrix < 0).any():
        raise ConfigurationError("A confusion matrix holds 10 x 10 counts, none below 0.")
    right = matrix.diagonal().tolist()
    counts, predicted = matrix.sum(axis=1).tolist(), matrix.sum(axis=0).tolist()
    found = []
    for hits, count, called in zip(right, counts, predicted, strict=True):
        low, high = wilson_interval(hits, count + called - hits, confidence)
        found.append(
            ClassIntervals(
                precision=wilson_interval(hits, called, confidence),
                recall=wilson_interval(hits, count, confidence),
                f1=(2 * low / (1 + low), 2 * high / (1 + high)),
            )
        )
    return tuple(found)
