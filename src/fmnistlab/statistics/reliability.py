"""Whether a model is as often right as it is sure: calibration, with what chance alone would show.

The bins hold equally many predictions, about the size that is best for such bins (the cube root of
their number). The calibration error is biased upwards: a perfectly calibrated model shows one above
0 too, which is told beside it (Broecker and Smith 2007).
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from scipy import stats

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import whole_number
from fmnistlab.shapes import Bool, Float, Int64, Shaped

BINS: Final = 15
"""Bins unless another number is given, as in Guo et al. 2017."""

_REDRAWN: Final = 200
_LEAST: Final = 1e-12


@dataclasses.dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of about the same confidence.

    Attributes:
        confidence: their mean confidence, 0 to 1.
        accuracy: share of them that is right, 0 to 1.
        count: number of predictions, from 1.
        interval: ends of the 95 % Wilson score interval of the accuracy.
    """

    confidence: float
    accuracy: float
    count: int
    interval: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How well probabilities say how often a model is right.

    Attributes:
        bins: the reliability diagram, the lowest confidence first.
        error: expected calibration error over these bins, which hold equally many predictions:
            mean distance of confidence and accuracy, 0 to 1.
        error_by_chance: what a perfectly calibrated model with these confidences shows on average.
        error_of_equal_widths: the error over bins of equal width instead, as many papers give it.
        confidence: mean probability of the predicted class, 0 to 1.
        accuracy: share of right predictions, 0 to 1.
        log_loss: mean negative logarithm of the probability of the right class, in nats, from 0; a
            probability below 1e-12 counts as that.
        brier: Brier score: mean squared distance of the probabilities from the right answer, summed
            over classes, 0 to 2.
    """

    bins: tuple[ReliabilityBin, ...]
    error: float
    error_by_chance: float
    error_of_equal_widths: float
    confidence: float
    accuracy: float
    log_loss: float
    brier: float


def calibration(
    probabilities: Float[np.ndarray, "rows classes"],
    targets: Int64[np.ndarray, "rows"],
    *,
    bins: int = BINS,
) -> Calibration:
    """Returns how well the probabilities of a model say how often it is right.

    Equal confidences share a bin, so nothing depends on the order of rows.

    Args:
        probabilities: of each class, 0 to 1.
        targets: the right classes, 0 to classes - 1.
        bins: how many bins, at most as many as there are rows.

    Raises:
        ConfigurationError: there are no rows, a probability is none, a target is no class, or the
            numbers of rows differ.
    """
    bins = whole_number("bins", bins)
    rows, classes = probabilities.shape
    if rows == 0 or targets.shape != (rows,):
        raise ConfigurationError(
            f"There are {rows} rows of probabilities and {len(targets)} targets; give as many of "
            "both, at least one."
        )
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ConfigurationError("probabilities must be from 0 to 1.")
    if ((targets < 0) | (targets >= classes)).any():
        raise ConfigurationError(f"targets must be from 0 to {classes - 1}.")
    chances = probabilities.astype(np.float64)
    labels, every = chances.argmax(axis=1), np.arange(rows)
    confidence, correct = chances[every, labels], labels == targets
    order = np.lexsort([correct, confidence])
    confidence, correct = confidence[order], correct[order]
    masses = _equal_masses(confidence, min(bins, rows))
    widths = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    of_right = chances[every, targets]
    squares = (chances**2).sum(axis=1) - 2 * of_right + 1
    return Calibration(
        bins=tuple(
            _bin(confidence[masses == number], correct[masses == number])
            for number in np.unique(masses)
        ),
        error=_error(confidence, correct, masses),
        error_by_chance=_error_by_chance(confidence, masses),
        error_of_equal_widths=_error(confidence, correct, widths),
        confidence=float(confidence.mean()),
        accuracy=float(correct.mean()),
        log_loss=float(-np.log(np.sort(of_right).clip(_LEAST)).mean()),
        brier=float(np.sort(squares).mean()),
    )


def _equal_masses(confidence: Float[np.ndarray, "rows"], bins: int) -> Int64[np.ndarray, "rows"]:
    """Returns the bin of each of some sorted confidences; equal ones share theirs."""
    firsts = confidence[np.arange(1, bins) * len(confidence) // bins]
    return np.searchsorted(firsts, confidence, side="right").astype(np.int64)


def _error(
    confidence: Float[np.ndarray, "rows"],
    correct: Shaped[np.ndarray, "rows"],
    bins: Int64[np.ndarray, "rows"],
) -> float:
    gaps = np.bincount(bins, weights=correct - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def _error_by_chance(
    confidence: Float[np.ndarray, "rows"], bins: Int64[np.ndarray, "rows"]
) -> float:
    """Draws right and wrong anew as often as each confidence says."""
    generator = np.random.default_rng(0)
    drawn = [
        _error(confidence, generator.random(len(confidence)) < confidence, bins)
        for _ in range(_REDRAWN)
    ]
    return float(np.mean(drawn))


def _bin(
    confidence: Float[np.ndarray, "rows"], correct: Bool[np.ndarray, "rows"]
) -> ReliabilityBin:
    right, count = int(correct.sum()), len(correct)
    ends = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
    return ReliabilityBin(
        float(confidence.mean()), right / count, count, (float(ends.low), float(ends.high))
    )
