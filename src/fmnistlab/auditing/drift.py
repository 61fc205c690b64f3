"""How two parts of the data differ as wholes: in their labels, and in how bright they are."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.schema import NUM_CLASSES, PIXEL_MAX, PIXELS
from fmnistlab.shapes import Float


@dataclasses.dataclass(frozen=True)
class Drift:
    """How two parts differ. With many images small differences have small p-values too.

    Attributes:
        one: name of the first part.
        other: name of the second part.
        labels_v: how far the shares of the classes differ: Cramér's V, from 0 (not at all) to 1.
        labels_p: p-value of the chi-square test that they are the same.
        brightness: mean brightness of the second part minus that of the first, -1 to 1.
        brightness_d: how far the distributions of the images' mean brightness differ: the
            statistic of Kolmogorov and Smirnov, from 0 (not at all) to 1.
        brightness_p: p-value of that test.
    """

    one: str
    other: str
    labels_v: float
    labels_p: float
    brightness: float
    brightness_d: float
    brightness_p: float


def drift_between(one: FashionMNISTCSV, other: FashionMNISTCSV) -> Drift:
    """Returns how two data sets differ as wholes."""
    counts = np.stack(
        [np.bincount(part.targets.numpy(), minlength=NUM_CLASSES) for part in (one, other)]
    )
    counts = counts[:, counts.any(axis=0)]
    labels_v, labels_p = 0.0, 1.0
    if counts.shape[1] > 1:
        chi_square, p_value, *_ = stats.chi2_contingency(counts, correction=False)
        labels_v, labels_p = math.sqrt(float(chi_square) / counts.sum()), float(p_value)
    bright, other_bright = _brightness(one), _brightness(other)
    test = stats.ks_2samp(bright, other_bright, method="asymp")
    return Drift(
        one=one.name,
        other=other.name,
        labels_v=labels_v,
        labels_p=labels_p,
        brightness=float(other_bright.mean() - bright.mean()),
        brightness_d=float(test.statistic),
        brightness_p=float(test.pvalue),
    )


def _brightness(part: FashionMNISTCSV) -> Float[np.ndarray, "n"]:
    """Returns the mean brightness of each image, 0 to 1."""
    sums = part.data.numpy().reshape(-1, PIXELS).sum(axis=1, dtype=np.int64)
    brightness: np.ndarray = sums / (PIXELS * PIXEL_MAX)
    return brightness
