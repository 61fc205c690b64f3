"""Numbers of seeds: a table from the noncentral t, published sample sizes, limits of a test set."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestIndPower

from fmnistlab.errors import ConfigurationError
from fmnistlab.statistics import power
from fmnistlab.statistics.two_way import difference, spread


@pytest.mark.parametrize(
    ("deviation", "needed"),
    [
        (0.15, [37, 10, 6, 3, 2]),
        (0.20, [64, 17, 9, 4, 3]),
        (0.25, [100, 26, 12, 6, 3]),
        (0.30, [143, 37, 17, 7, 3]),
    ],
)
def test_seeds_for_these_images(deviation: float, needed: list[int]) -> None:
    wanted = [0.1, 0.2, 0.3, 0.5, 1.0]
    found = [power.seeds_for_these_images((deviation, deviation), one) for one in wanted]
    assert found == needed


@pytest.mark.parametrize("effect", [0.2, 0.5, 1.0, 2.5])
def test_it_is_the_sample_size_of_statsmodels(effect: float) -> None:
    """For an effect of 0.5 deviations that is 63.77, for 0.2 it is 393.41."""
    exact = TTestIndPower().solve_power(effect_size=effect, alpha=0.05, power=0.8)
    assert power.seeds_for_these_images((1.0, 1.0), effect) == max(2, math.ceil(exact))


def test_no_number_of_seeds_shows_less_than_the_test_set_can() -> None:
    generator = np.random.default_rng(0)
    easy = generator.random((2, 4000)) < [[0.9], [0.9]]
    one, other = (
        spread((generator.random((6, 4000)) < np.where(row, 0.97, 0.3)).astype(np.uint8))
        for row in easy
    )
    found = difference(one, other)
    limit = power.limit_of_images(found, 4000)
    assert limit > 0
    assert power.seeds_for_all_images(one, other, found, limit * 0.99) is None
    more = power.seeds_for_all_images(one, other, found, limit * 1.05)
    few = power.seeds_for_all_images(one, other, found, limit * 3)
    assert more is not None
    assert few is not None
    assert more > few >= 2
    assert power.smallest_shown(found) > limit


def test_equal_runs_need_no_more_than_two_and_endless_ones_have_no_number() -> None:
    assert power.seeds_for_these_images((0.0, 0.0), 0.1) == 2
    assert power.seeds_for_these_images((1.0, 1.0), 1e-6) is None


@pytest.mark.parametrize("times", [5.0, 20.0, 100.0, 1e4, 1e300])
def test_two_runs_of_each_show_any_difference_that_is_large_enough(times: float) -> None:
    """Scipy has no number for the power from 8 standard errors on."""
    assert power.seeds_for_these_images((0.001, 0.001), 0.001 * times) == 2


def test_a_difference_of_nothing_cannot_be_wanted() -> None:
    with pytest.raises(ConfigurationError, match="wanted"):
        power.seeds_for_these_images((1.0, 1.0), 0)
