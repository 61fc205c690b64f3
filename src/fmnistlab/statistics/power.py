"""How many seeds would show a difference, and which differences no number of seeds can show.

Normal approximations with 80 % power at a two-sided level of 5 %: a difference is seen if it is
2.802 standard errors (1.960 + 0.842). On these images the exact number comes from the noncentral t.
"""

from __future__ import annotations

import bisect
import math
from typing import Final

from scipy import stats

from fmnistlab.foundation.checks import number
from fmnistlab.statistics.two_way import Difference, Spread

POWER: Final = 0.8
"""Chance that a true difference is shown."""

LEVEL: Final = 0.05
"""Two-sided level of the tests."""

MOST_SEEDS: Final = 10_000
"""Numbers of seeds above this are no answer."""

STEPS: Final = float(stats.norm.ppf(1 - LEVEL / 2) + stats.norm.ppf(POWER))
"""Standard errors that a difference must have: 2.802."""


def seeds_for_these_images(deviations: tuple[float, float], wanted: float) -> int | None:
    """Returns how many runs of each model would show a difference on the same test set.

    Args:
        deviations: standard deviation of the accuracy over seeds, of either model.
        wanted: the true difference, a fraction above 0.

    Returns:
        The smallest number of runs of each model with a power of 80 %, from 2; None if it is more
        than `MOST_SEEDS`.

    Raises:
        ConfigurationError: `wanted` is not above 0.
    """
    wanted = number("wanted", wanted, above=0)
    variance = deviations[0] ** 2 + deviations[1] ** 2
    if not variance:
        return 2
    numbers = range(2, MOST_SEEDS + 1)
    # Where scipy has no number for the power, since it is near 1, nan is not below 80 % either.
    at = bisect.bisect_left(
        numbers, POWER, key=lambda seeds: _power(wanted / math.sqrt(variance / seeds), seeds)
    )
    return numbers[at] if at < len(numbers) else None


def _power(shift: float, seeds: int) -> float:
    freedom = 2 * seeds - 2
    quantile = stats.t.ppf(1 - LEVEL / 2, freedom)
    return float(stats.nct.sf(quantile, freedom, shift) + stats.nct.cdf(-quantile, freedom, shift))


def seeds_for_all_images(
    one: Spread, other: Spread, difference: Difference, wanted: float
) -> int | None:
    """Returns how many runs of each model would show a difference on other images too.

    Args:
        one: of runs of one model.
        other: of runs of the other model, on the same images.
        difference: between them.
        wanted: the true difference, a fraction above 0.

    Returns:
        The number, from 2; None if no number of runs can, since the test set is too small, or if it
        is more than `MOST_SEEDS`.

    Raises:
        ConfigurationError: `wanted` is not above 0.
    """
    wanted = number("wanted", wanted, above=0)
    room = (wanted / STEPS) ** 2 - difference.image_variance / one.images
    if room <= 0:
        return None
    # By seed: true differences, and the chance of each run on each image.
    by_seed = sum(
        part.seed_excess * part.seeds + part.rest_variance / part.images for part in (one, other)
    )
    deviations = math.sqrt(one.seed_variance), math.sqrt(other.seed_variance)
    least = seeds_for_these_images(deviations, wanted)
    seeds = math.ceil(by_seed / room)
    # What cannot be shown on these images cannot be shown on others; few seeds make the normal
    # approximation too hopeful.
    return None if least is None or seeds > MOST_SEEDS else max(seeds, least)


def smallest_shown(difference: Difference) -> float:
    """Returns the difference that a comparison like this shows with a power of 80 %, a fraction."""
    return STEPS * math.sqrt(difference.all_images.variance)


def limit_of_images(difference: Difference, images: int) -> float:
    """Returns the smallest difference that any number of seeds could show, a fraction.

    Args:
        difference: as measured.
        images: of the test set.
    """
    return STEPS * math.sqrt(difference.image_variance / images)
