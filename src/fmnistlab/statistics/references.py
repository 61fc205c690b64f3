"""Accuracies that others have published and that hold for the present data, each with its source.

Ten test images of the first release were in the training set too; the files of 31 August 2017 have
none. Accuracies from before, such as 0.967 of WRN-40-4 and 0.954 of DenseNet-BC, are not here. Nor
is the number of trainings behind one known: most are of one run, or of the best of several.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from scipy import stats

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import number, whole_number

REPORTED: Final = "reported, not verified by us"
"""What is said of every reference, wherever it is shown."""

_PROJECT: Final = "https://github.com/zalandoresearch/fashion-mnist"


@dataclasses.dataclass(frozen=True)
class Reference:
    """An accuracy that others have published.

    Attributes:
        name: of what was measured; a few words.
        accuracy: fraction of right answers, 0 to 1.
        images: number of test images, from 1.
        source: where it was published.
        note: how it was measured, and why it holds for the present data.

    Raises:
        ConfigurationError: `accuracy` or `images` is outside its range, or there is no source.
    """

    name: str
    accuracy: float
    images: int
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        number("accuracy", self.accuracy, least=0, most=1)
        whole_number("images", self.images)
        if not self.source.strip():
            raise ConfigurationError(
                f"the accuracy of {self.name!r} has no source; say where it was published."
            )

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Returns the ends of Wilson's score interval, which speaks of other images alone.

        Args:
            confidence: above 0, below 1.
        """
        right = round(self.accuracy * self.images)
        ends = stats.binomtest(right, self.images).proportion_ci(confidence, method="wilson")
        return float(ends.low), float(ends.high)

    def __str__(self) -> str:
        low, high = self.interval()
        return (
            f"{self.name}: accuracy {self.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}, "
            f"{self.images:,} images), {REPORTED} ({self.source})"
        )


REFERENCES: Final = (
    Reference(
        "human",
        0.835,
        1_000,
        f"{_PROJECT}, its table of benchmarks, 19 September 2017",
        "1,000 test images drawn at random, each named by three people without knowledge of "
        "fashion, the majority counts. They saw no training set, so its faults do not matter.",
    ),
    Reference(
        "DENSER",
        0.9526,
        10_000,
        f"{_PROJECT}/issues/105, February 2018; arXiv 1801.01563",
        "Found by evolution on another data set, trained on this one; later than the repair.",
    ),
    Reference(
        "E2E-3M",
        0.9592,
        10_000,
        f"{_PROJECT}/issues/164, August 2020; arXiv 2007.15161",
        "Several networks that decide together; later than the repair.",
    ),
    Reference(
        "Fine-Tuning DARTS",
        0.9691,
        10_000,
        "arXiv 2006.09042, June 2020",
        "Found by architecture search; later than the repair, and the highest that we know of.",
    ),
)
"""The published accuracies, the lowest first."""
