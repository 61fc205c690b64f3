"""Accuracies of runs by images: golden numbers, properties, coverage in simulated comparisons."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fmnistlab.errors import ConfigurationError
from fmnistlab.statistics.bootstrap import bootstrap_differences
from fmnistlab.statistics.judgement import SMALLEST, verdict
from fmnistlab.statistics.two_way import Estimate, accuracy_estimates, difference, spread


def runs(text: str) -> np.ndarray:
    """Runs from text: a row of 0 and 1 for each."""
    return np.array([[int(letter) for letter in row] for row in text.split()], dtype=np.uint8)


B = spread(runs("11010010 10110000 11100010"))


def test_the_first_golden_pair() -> None:
    """Computed by hand with the formulas of the module; no seed adds anything to its chance."""
    a = spread(runs("11111010 11110011 11111000"))
    assert a.seed_variance == pytest.approx(0.0052083, abs=5e-8) == B.seed_variance
    assert (a.rest_variance, B.rest_variance) == pytest.approx((0.1369048, 0.1845238), abs=5e-8)
    found = difference(a, B)
    assert found.all_images.value == pytest.approx(0.25)
    assert found.all_images.variance == pytest.approx(0.00694444, abs=5e-9)
    assert found.all_images.degrees_of_freedom == pytest.approx(7)
    assert found.all_images.interval() == pytest.approx((0.052948, 0.447052), abs=5e-7)
    assert found.these_images.variance == pytest.approx(0.00347222, abs=5e-9)
    assert found.these_images.degrees_of_freedom == pytest.approx(4)


def test_the_second_golden_pair() -> None:
    """Here the seeds of one model differ more than chance alone would have it."""
    a = spread(runs("11111111 11110000 11111110"))
    assert (a.seed_variance, a.rest_variance) == pytest.approx((0.0677083, 0.1130952), abs=5e-8)
    found = difference(a, B)
    assert found.all_images.variance == pytest.approx(0.02579365, abs=5e-9)
    assert found.all_images.degrees_of_freedom == pytest.approx(2.50802, abs=5e-6)
    assert found.all_images.interval() == pytest.approx((-0.239460, 0.906127), abs=5e-7)
    assert found.all_images.p_value == pytest.approx(0.147192, abs=2e-6)
    assert found.these_images.variance == pytest.approx(0.02430556, abs=5e-9)
    assert found.these_images.degrees_of_freedom == pytest.approx(2.30588, abs=5e-6)
    assert found.these_images.interval() == pytest.approx((-0.259007, 0.925673), abs=5e-7)
    assert found.these_images.p_value == pytest.approx(0.148815, abs=5e-7)


def test_these_images_are_welchs_interval() -> None:
    """89.9, 90.1, 90.6 against 88.7, 88.9, 89.0 per cent: scipy.stats.ttest_ind's numbers."""
    one, other = (
        spread(np.array([[1] * k + [0] * (1000 - k) for k in counts], dtype=np.uint8))
        for counts in ((899, 901, 906), (887, 889, 890))
    )
    found = difference(one, other).these_images
    assert found.degrees_of_freedom == pytest.approx(2.6955, abs=5e-5)
    assert found.p_value == pytest.approx(0.01305, abs=5e-6)
    assert found.interval() == pytest.approx((0.005656, 0.021010), abs=5e-6)


CORRECT = st.integers(2, 5).flatmap(
    lambda n: st.integers(2, 12).flatmap(
        lambda m: st.tuples(*[arrays(np.uint8, (n, m), elements=st.integers(0, 1))] * 2)
    )
)


@given(CORRECT)
def test_what_must_hold_for_any_runs(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = (spread(part) for part in pair)
    found, back = difference(a, b), difference(b, a)
    assert 0 <= a.rest_variance <= 1
    for name in ("these_images", "all_images"):
        one, other = getattr(found, name), getattr(back, name)
        assert one.value == -other.value
        assert one.interval() == pytest.approx(tuple(-end for end in reversed(other.interval())))
        assert one.p_value == pytest.approx(other.p_value)
        assert 0 <= one.p_value <= 1
        low, high = one.interval()
        assert low <= one.value <= high
    order = np.random.default_rng(0).permutation(pair[0].shape[1])
    turned = difference(*(spread(part[::-1, order]) for part in pair))
    assert turned.all_images.interval() == pytest.approx(found.all_images.interval())
    twice = difference(*(spread(np.concatenate([part, part], axis=1)) for part in pair))
    assert twice.these_images.variance == pytest.approx(found.these_images.variance)
    assert found.image_variance >= 0


@given(CORRECT)
def test_a_model_against_itself_is_no_difference(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a = spread(pair[0])
    found = difference(a, a)
    assert found.all_images.value == found.these_images.value == 0
    assert found.all_images.p_value == found.these_images.p_value == 1


def test_no_variance_at_all_divides_by_nothing() -> None:
    right, wrong = spread(np.ones((2, 3), np.uint8)), spread(np.zeros((3, 3), np.uint8))
    found = difference(right, wrong)
    assert found.all_images == Estimate(1.0, 0.0, math.inf)
    assert found.all_images.interval() == (1.0, 1.0)
    assert found.all_images.p_value == 0


@pytest.mark.parametrize("bad", [(1, 5), (3, 1), (0, 0)])
def test_too_few_runs_or_images_are_refused(bad: tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError, match="at least two"):
        spread(np.zeros(bad, np.uint8))


def test_other_numbers_and_other_images_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="0 and 1"):
        spread(np.full((2, 2), 2, np.uint8))
    with pytest.raises(ConfigurationError, match="same test set"):
        difference(B, spread(np.zeros((2, 9), np.uint8)))


@dataclasses.dataclass(frozen=True)
class World:
    """Models whose runs are right by chance: of logistic models, with known truth.

    An image is easy or hard for both models alike (deviation 3), for each in its own way (0.8), and
    a seed is good or bad on all images (`by_seed`), all on the scale of logits.
    """

    means: tuple[float, float]
    by_seed: float

    def truth(self) -> float:
        """Difference of the accuracies over all images and seeds, by Gauss and Hermite's rule."""
        spread_of_logits = math.sqrt(9 + 0.64 + self.by_seed**2)
        one, other = (
            float((WEIGHTS * logistic(mean + spread_of_logits * NODES)).sum())
            for mean in self.means
        )
        return one - other

    def draw(
        self, seeds: int, images: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Runs of both models, and the difference that all seeds would have on these images."""
        shared = generator.normal(0, 3, images)
        drawn, conditional = [], []
        for mean in self.means:
            logits = mean + shared + generator.normal(0, 0.8, images)
            by_seed = generator.normal(0, self.by_seed, (seeds, 1))
            right = generator.random((seeds, images)) < logistic(logits + by_seed)
            drawn.append(right.astype(np.uint8))
            over_seeds = logistic(logits[:, None] + self.by_seed * NODES) @ WEIGHTS
            conditional.append(float(over_seeds.mean()))
        return drawn[0], drawn[1], conditional[0] - conditional[1]


NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def logistic(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("by_seed", [0.0, 0.15])
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("means", [(4.0, 3.6), (4.0, 4.0)], ids=["different", "equal"])
def test_intervals_hold_what_they_say(
    means: tuple[float, float], seeds: int, by_seed: float
) -> None:
    """600 simulated comparisons of 1,500 images, with fixed seeds."""
    world, generator = World(means, by_seed), np.random.default_rng([seeds, int(by_seed * 100)])
    repetitions, held_all, held_these, alarms = 600, 0, 0, 0
    for _ in range(repetitions):
        one, other, on_these = world.draw(seeds, 1500, generator)
        found = difference(spread(one), spread(other))
        low, high = found.all_images.interval()
        held_all += low <= world.truth() <= high
        low, high = found.these_images.interval()
        held_these += low <= on_these <= high
        p_values = found.these_images.p_value, found.all_images.p_value
        said = verdict(("one", "other"), found, p_values, SMALLEST).finding
        alarms += said in {"better", "better by at least"}
    assert 0.92 <= held_all / repetitions <= 0.98
    assert 0.92 <= held_these / repetitions <= 0.98
    if means[0] == means[1]:
        assert alarms / repetitions <= 0.05
    else:
        assert alarms / repetitions >= 0.3


@pytest.mark.parametrize(("seeds", "told"), [(3, 0.93), (26, 0.70)])
def test_an_interval_of_seeds_alone_misleads_about_other_images(seeds: int, told: float) -> None:
    """The more seeds, the more; docs/accuracy.md quotes these numbers of 300 comparisons."""
    world, generator = World((4.0, 3.6), 0.0), np.random.default_rng(0)
    held_all, held_these = 0, 0
    for _ in range(300):
        one, other, _ = world.draw(seeds, 2000, generator)
        found = difference(spread(one), spread(other))
        low, high = found.all_images.interval()
        held_all += low <= world.truth() <= high
        low, high = found.these_images.interval()
        held_these += low <= world.truth() <= high
    assert held_these / 300 == pytest.approx(told, abs=0.02)
    assert held_all / 300 == pytest.approx(0.965, abs=0.015)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_the_bootstrap_agrees_with_the_closed_form(seed: int) -> None:
    """Its variance is that of the formula and up to the rest's share more (Owen 2007)."""
    one, other, _ = World((4.0, 3.6), 0.3).draw(6, 1000, np.random.default_rng(seed))
    found = difference(spread(one), spread(other))
    drawn = bootstrap_differences(one, other, draws=1500, seed=seed)
    assert abs(drawn.mean() - found.all_images.value) < 4 * drawn.std() / math.sqrt(1500)
    ratio = drawn.var() / found.all_images.variance
    assert 0.6 < ratio < 2.2


def test_the_bootstrap_draws_images_too() -> None:
    """Of runs that are all alike only the images are left to vary."""
    generator = np.random.default_rng(0)
    one, other = (np.stack([generator.random(2000) < p] * 3).astype(np.uint8) for p in (0.9, 0.8))
    drawn = bootstrap_differences(one, other, draws=3000)
    per_image = np.var(one[0].astype(float) - other[0])
    assert drawn.std() == pytest.approx(math.sqrt(per_image / 2000), rel=0.05)


def test_the_accuracy_of_one_model_has_both_intervals() -> None:
    """Over many images and equal runs the one of all images is the binomial one."""
    generator = np.random.default_rng(0)
    row = (generator.random(5000) < 0.9).astype(np.uint8)
    found = accuracy_estimates(spread(np.stack([row] * 4)))
    assert found.these_images.variance == 0
    p = float(row.mean())
    assert found.all_images.variance == pytest.approx(p * (1 - p) / 4999)


def test_no_interval_leaves_what_can_be() -> None:
    """Student's interval of two runs is so wide that it may."""
    good = spread(runs("1111111111 1111110000"))
    for part in (accuracy_estimates(good).these_images, accuracy_estimates(good).all_images):
        low, end = part.interval()
        assert 0 <= low <= part.value <= end <= 1
    bad = spread(runs("0000000000 0000001111"))
    assert difference(good, bad).these_images.interval()[1] == 1
    assert Estimate(-0.9, 1.0, 1.0).interval() == (-1, 1)
    assert accuracy_estimates(bad).these_images.interval()[0] == 0
