"""Labels in doubt: confident learning, after Northcutt, Jiang and Chuang (2021).

A class counts as claimed by an image where a model that never saw it gives the class at least the
probability that images with this label get on average. An image is a candidate for a wrong label
if another class is claimed, and the model would have chosen another one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Float, Int64

_ROUNDING: Final = 1e-6


def label_candidates(
    labels: Int64[np.ndarray, "rows"], probabilities: Float[np.ndarray, "rows classes"]
) -> Int64[np.ndarray, "candidates"]:
    """Returns the rows whose labels are in doubt, the most doubtful first.

    They are candidates, not errors: the model may be wrong, and so may be the question, where two
    classes cannot be told apart in so few pixels. The order is that of the probability of the given
    label, the lowest first.

    Args:
        labels: the given label of each image, int64 (rows,), 0 to classes - 1.
        probabilities: what models that never saw an image say of it, (rows, classes), 0 to 1. The
            mean over several trainings is steadier than one.

    Returns:
        Rows, int64.

    Raises:
        ConfigurationError: there is not one row of probabilities for each label, or a label has no
            column.
    """
    rows, classes = probabilities.shape
    if labels.shape != (rows,) or (rows and not 0 <= labels.min() <= labels.max() < classes):
        raise ConfigurationError(
            f"labels of shape {labels.shape} do not belong to probabilities of shape "
            f"{probabilities.shape}: give a row for each label, and a column for each class."
        )
    given = probabilities[np.arange(rows), labels]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, given, minlength=classes)
    usual = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    claimed = probabilities >= usual - _ROUNDING
    guess = np.where(claimed, probabilities, -1.0).argmax(axis=1)
    doubted = claimed.any(axis=1) & (guess != labels) & (given < probabilities.max(axis=1))
    candidates = np.flatnonzero(doubted)
    return candidates[np.argsort(given[candidates], kind="stable")]
