"""Words about two models never say more than their intervals do."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnistlab.errors import ConfigurationError
from fmnistlab.statistics.judgement import verdict
from fmnistlab.statistics.two_way import Difference, Estimate


def found(value: float, these: float, all_images: float) -> Difference:
    """A difference with two standard errors, of many degrees of freedom."""
    return Difference(
        Estimate(value, these**2, math.inf), Estimate(value, all_images**2, math.inf), 0.0
    )


def said(difference: Difference, smallest: float = 0.005) -> str:
    p_values = difference.these_images.p_value, difference.all_images.p_value
    return str(verdict(("cnn", "linearnet"), difference, p_values, smallest))


@pytest.mark.parametrize(
    ("difference", "start"),
    [
        (found(0.0154, 0.0022, 0.0022), "cnn is better than linearnet by at least 0.5 points: "),
        (found(0.0060, 0.0022, 0.0022), "cnn is better than linearnet: "),
        (found(-0.0060, 0.0022, 0.0022), "linearnet is better than cnn: "),
        (found(0.0060, 0.0022, 0.0040), "cnn is better than linearnet on these images; "),
        (found(0.0002, 0.0010, 0.0012), "cnn and linearnet are practically equal: "),
        (found(0.0020, 0.0018, 0.0018), "cnn and linearnet are practically equal: "),
        (found(0.0030, 0.0004, 0.0010), "cnn is better than linearnet: "),
        (found(0.0020, 0.0022, 0.0040), "cnn and linearnet cannot be told apart: "),
    ],
)
def test_each_finding_has_its_sentence(difference: Difference, start: str) -> None:
    assert said(difference).startswith(start)


def test_the_numbers_stand_in_points() -> None:
    assert said(found(0.0154, 0.0022, 0.0025)).endswith(
        ": +1.54 points (all images +1.05 to +2.03; these images +1.11 to +1.97)."
    )


SIZES = st.floats(1e-4, 0.05)


@given(st.floats(-0.2, 0.2), SIZES, SIZES, st.floats(1e-4, 0.1))
def test_a_finding_is_held_by_its_interval(
    value: float, these: float, all_images: float, smallest: float
) -> None:
    difference = found(value, these, all_images)
    p_values = difference.these_images.p_value, difference.all_images.p_value
    said = verdict(("a", "b"), difference, p_values, smallest)
    low, high = said.difference.all_images.interval()
    assert said.difference.all_images.value >= 0
    match said.finding:
        case "better by at least":
            assert low > smallest
        case "better":
            assert low > 0
        case "better on these images":
            assert said.difference.these_images.interval()[0] > 0 >= low
        case "practically equal":
            low, high = said.difference.all_images.interval(0.9)
            assert -smallest < low <= high < smallest
            assert max(abs(end) for end in said.difference.all_images.interval(0.9)) < smallest
        case _:
            assert low <= 0
    assert {said.one, said.other} == {"a", "b"}


def test_several_comparisons_make_words_more_careful() -> None:
    difference = found(0.0060, 0.0022, 0.0022)
    assert "better" in str(verdict(("a", "b"), difference, (0.01, 0.01), 0.005))
    assert "cannot be told" in str(verdict(("a", "b"), difference, (0.2, 0.2), 0.005))


@pytest.mark.parametrize("smallest", [0, -1, 1, math.nan])
def test_a_smallest_difference_of_nothing_is_refused(smallest: float) -> None:
    with pytest.raises(ConfigurationError, match="smallest"):
        verdict(("a", "b"), found(0.1, 0.1, 0.1), (0.5, 0.5), smallest)
