"""Two single runs on the same images: which is better, as far as these two files go.

One run of a model says nothing about its recipe, since another seed gives another run. What can be
said of two runs is said by the images on which exactly one of them is right.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import UInt8
from fmnistlab.statistics.two_way import Estimate


@dataclasses.dataclass(frozen=True)
class TwoRuns:
    """How two runs differ on the same images.

    Attributes:
        only_one: images on which only the first run is right (b).
        only_other: images on which only the second run is right (c).
        images: number of images m.
    """

    only_one: int
    only_other: int
    images: int

    @property
    def estimate(self) -> Estimate:
        """Difference of the accuracies, (b - c) / m, with its uncertainty over images."""
        value = (self.only_one - self.only_other) / self.images
        per_image = (self.only_one + self.only_other) / self.images - value**2
        return Estimate(value, per_image / self.images, math.inf)

    @property
    def disagreement(self) -> float:
        """Share of the images on which exactly one run is right, 0 to 1."""
        return (self.only_one + self.only_other) / self.images

    @property
    def p_exact(self) -> float:
        """McNemar's exact two-sided p-value, from the binomial distribution."""
        count = self.only_one + self.only_other
        tail = stats.binom.cdf(min(self.only_one, self.only_other), count, 0.5)
        return min(1.0, 2 * float(tail))

    @property
    def p_mid(self) -> float:
        """McNemar's mid-p value: the exact one without half of the observed outcome's weight.

        It is nearer to its level than the exact one (Fagerland, Lydersen and Laake 2013).
        """
        count, least = self.only_one + self.only_other, min(self.only_one, self.only_other)
        if self.only_one == self.only_other:
            return 1.0
        return 2 * float(stats.binom.cdf(least, count, 0.5)) - float(
            stats.binom.pmf(least, count, 0.5)
        )


def two_runs(one: UInt8[np.ndarray, "images"], other: UInt8[np.ndarray, "images"]) -> TwoRuns:
    """Returns how two runs differ.

    Args:
        one: 1 where the first run is right, else 0.
        other: likewise for the second run, on the same images in the same order.

    Raises:
        ConfigurationError: the shapes differ, there are no images, or other values.
    """
    if one.shape != other.shape or one.ndim != 1 or one.size == 0:
        raise ConfigurationError(
            f"The runs have shapes {one.shape} and {other.shape}; give one row of 0 and 1 for each "
            "run, of the same images."
        )
    if not (np.isin(one, (0, 1)).all() and np.isin(other, (0, 1)).all()):
        raise ConfigurationError("Rows of runs hold 1 where a run is right, and else 0.")
    only_one, only_other = int((one > other).sum()), int((other > one).sum())
    return TwoRuns(only_one, only_other, one.size)


def holm(p_values: list[float]) -> list[float]:
    """Returns p-values adjusted for being several (Holm 1979), in the same order.

    Args:
        p_values: each 0 to 1.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.minimum(1.0, np.maximum.accumulate(factors * np.asarray(p_values)[order]))
    placed = np.empty(len(p_values))
    placed[order] = adjusted
    return placed.tolist()


def chance_to_beat(one: list[float], other: list[float]) -> float:
    """Returns the share of pairs in which a run of one model beats a run of the other.

    Ties count half; it is the Mann-Whitney statistic divided by the number of pairs.

    Args:
        one: accuracies of the runs of one model.
        other: those of the other.
    """
    ahead = np.sign(np.subtract.outer(np.asarray(one), np.asarray(other)))
    return float((ahead + 1).mean() / 2)
