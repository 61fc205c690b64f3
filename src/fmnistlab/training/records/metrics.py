"""Loss, accuracy and extra metrics of one evaluation, and how sure one can be of the accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Final

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation import html

_AVERAGED: Final = "averaged with mirror images"


def wilson_interval(successes: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the score interval for the chance of success behind `successes` out of `count`.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927), pages 209-212; without a correction for
    continuity. It takes the items as independent draws. Unlike "plus or minus 1.96 standard
    errors" it never leaves 0..1 and stays sensible near 0 and 1.

    Args:
        successes: how many items came out right, from 0 to `count`.
        count: how many items there were. With none, nothing is known: the interval is 0..1.
        confidence: share of such intervals that hold the true chance, between 0 and 1.

    Returns:
        Lower and upper end, fractions. The lower end is exactly 0.0 when nothing came out right,
        the upper end exactly 1.0 when everything did, and successes / count lies between them.

    Raises:
        ConfigurationError: a number is outside its range.
    """
    if not 0 <= successes <= count:
        raise ConfigurationError(
            f"{successes} successes out of {count} is impossible: both are counts, the first at "
            "most the second."
        )
    if not 0 < confidence < 1:
        raise ConfigurationError(
            f"confidence is a fraction between 0 and 1, such as 0.95; it was {confidence!r}."
        )
    if count == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    spread = z * math.sqrt(successes * (count - successes) / count + z * z / 4)
    center = successes + z * z / 2
    # Exact arithmetic keeps the estimate inside and the ends at 0 and 1; rounding need not.
    estimate = successes / count
    low = 0.0 if successes == 0 else min(estimate, (center - spread) / (count + z * z))
    high = 1.0 if successes == count else max(estimate, (center + spread) / (count + z * z))
    return low, high


def loss_text(loss: float) -> str:
    """Returns a loss with four decimals; one that has exploded as a power of ten, "2.25e+30"."""
    return f"{loss:.4f}" if abs(loss) < 10_000 else f"{loss:.2e}"


@dataclass(frozen=True)
class Metrics:
    """What one pass over a data set measured.

    Attributes:
        loss: mean of the loss over all images, as the loss would give it for all of them at once,
            in its own unit (cross-entropy: nats).
        accuracy: fraction of the images whose most probable class is the right one, 0 to 1.
        count: number of images measured, each exactly once, but for those whose label the loss
            ignores: they are neither right nor wrong. If it is 0, the others are nan.
        extra: the trainer's extra metrics of the same images by name, such as {"macro_f1": 0.87}.
        average_flips: whether the scores of each image were averaged with those of its mirror
            image.

    Raises:
        ConfigurationError: `accuracy` or `count` is outside its range.
    """

    loss: float
    accuracy: float
    count: int
    extra: dict[str, float] = field(default_factory=dict, hash=False)
    average_flips: bool = False

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ConfigurationError(f"a number of images cannot be negative: {self.count}.")
        if self.count == 0 and math.isnan(self.accuracy):
            return
        if not 0 <= self.accuracy <= 1:
            raise ConfigurationError(
                f"accuracy is a fraction from 0 to 1, not {self.accuracy!r} (per cent / 100)."
            )

    def accuracy_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Returns the ends of the Wilson score interval of the accuracy; see `wilson_interval`.

        It speaks of new images for this one trained model, not of new trainings.

        Args:
            confidence: share of such intervals that hold the true accuracy, between 0 and 1.

        Returns:
            Lower and upper end, fractions.

        Raises:
            ConfigurationError: `confidence` is not between 0 and 1.
        """
        successes = round(self.accuracy * self.count) if self.count else 0
        return wilson_interval(successes, self.count, confidence)

    def __str__(self) -> str:
        low, high = self.accuracy_interval()
        images = "1 image" if self.count == 1 else f"{self.count:,} images"
        extra = "".join(f", {name} {loss_text(value)}" for name, value in self.extra.items())
        averaged = f", {_AVERAGED}" if self.average_flips else ""
        return (
            f"loss {loss_text(self.loss)}, accuracy {self.accuracy:.4f} "
            f"(95 % interval {low:.4f} to {high:.4f}){extra}, {images}{averaged}"
        )

    def _repr_html_(self) -> str:
        low, high = self.accuracy_interval()
        pairs = [
            ("loss", loss_text(self.loss)),
            ("accuracy", f"{self.accuracy:.4f}"),
            ("95 % interval", f"{low:.4f} to {high:.4f}"),
            *((name, loss_text(value)) for name, value in self.extra.items()),
            ("images", f"{self.count:,}"),
        ]
        if self.average_flips:
            pairs.append(("scores", _AVERAGED))
        return html.facts("Metrics", pairs)
