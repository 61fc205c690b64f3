"""Medians with quartiles, and ratios paired by round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """The middle of some numbers and how far they spread.

    Attributes:
        low: lower quartile; half of all numbers lie between it and `high`.
        median: as many numbers lie below as above.
        high: upper quartile.
        size: how many numbers there were.
    """

    low: float
    median: float
    high: float
    size: int


def spread(values: Sequence[float]) -> Spread:
    """Returns median and quartiles, which never lie outside the values; at least one is needed."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], 1)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high, len(values))


def paired_ratios(reference: Sequence[float], values: Sequence[float]) -> list[float]:
    """Returns reference / value for each round: how many times as fast as the reference.

    Both ran in the same round, so a machine that slowed down for a while slowed down both.

    Raises:
        ValueError: they have not the same number of rounds.
    """
    return [before / after for before, after in zip(reference, values, strict=True)]
