"""What a comparison says in words, and never more than its intervals do."""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, TypeAlias

from fmnistlab.foundation.checks import number
from fmnistlab.statistics.two_way import Difference

Finding: TypeAlias = Literal[
    "better by at least", "better", "better on these images", "practically equal", "not told apart"
]
"""What can be said of two models; the first two and the last two are about all images."""

SMALLEST: Final = 0.005
"""Smallest difference of interest unless another is given: half a point, about half the width of
the 95 % interval of one accuracy of 0.9 on 10,000 images."""

LEVEL: Final = 0.05
"""Chance of a false alarm that the words allow."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A sentence about two models, and what it rests on.

    Attributes:
        one: name of the model whose accuracy is the higher, or of the first if they are equal.
        other: name of the other one.
        finding: what can be said.
        difference: of their accuracies, from 0, with its uncertainty.
        p_value: for all images, adjusted for the number of comparisons.
        smallest: smallest difference of interest, as a fraction.
    """

    one: str
    other: str
    finding: Finding
    difference: Difference
    p_value: float
    smallest: float

    def __str__(self) -> str:
        told = {
            "better by at least": f"{self.one} is better than {self.other} by at least "
            f"{100 * self.smallest:g} points",
            "better": f"{self.one} is better than {self.other}",
            "better on these images": f"{self.one} is better than {self.other} on these images; "
            "whether it is on others cannot be told",
            "practically equal": f"{self.one} and {self.other} are practically equal: they differ "
            f"by less than {100 * self.smallest:g} points",
            "not told apart": f"{self.one} and {self.other} cannot be told apart",
        }
        ahead = f"{self.one} " if self.finding in ("practically equal", "not told apart") else ""
        return f"{told[self.finding]}: {ahead}{points(self.difference)}."


def verdict(
    names: tuple[str, str], difference: Difference, p_values: tuple[float, float], smallest: float
) -> Verdict:
    """Returns what can be said of two models.

    Args:
        names: of the models; the second one's accuracy was taken from the first one's.
        difference: of their accuracies, as a fraction.
        p_values: for these images and for all images, each adjusted for the number of pairs.
        smallest: difference below which two models are as good as equal, a fraction above 0.

    Raises:
        ConfigurationError: `smallest` is not above 0 and below 1.
    """
    smallest = number("smallest", smallest, above=0, below=1)
    one, other = names
    if difference.all_images.value < 0:
        one, other, difference = other, one, swapped(difference)
    low, _ = difference.all_images.interval()
    # Two one-sided tests at 5 % each are the interval of 90 % (Schuirmann 1987).
    equal_low, equal_high = difference.all_images.interval(1 - 2 * LEVEL)
    these, all_images = p_values
    finding: Finding = "not told apart"
    if all_images < LEVEL:
        finding = "better by at least" if low > smallest else "better"
    elif these < LEVEL and not -smallest < equal_low <= equal_high < smallest:
        finding = "better on these images"
    elif -smallest < equal_low and equal_high < smallest:
        finding = "practically equal"
    return Verdict(one, other, finding, difference, all_images, smallest)


def swapped(difference: Difference) -> Difference:
    """Returns the difference as seen from the other model."""
    return Difference(
        dataclasses.replace(difference.these_images, value=-difference.these_images.value),
        dataclasses.replace(difference.all_images, value=-difference.all_images.value),
        difference.image_variance,
    )


def points(difference: Difference) -> str:
    """Returns a difference and both its intervals in percentage points."""
    value = 100 * difference.all_images.value
    all_low, all_high = (100 * end for end in difference.all_images.interval())
    low, high = (100 * end for end in difference.these_images.interval())
    return (
        f"{value:+.2f} points (all images {all_low:+.2f} to {all_high:+.2f}; these images "
        f"{low:+.2f} to {high:+.2f})"
    )
