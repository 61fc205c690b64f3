"""Two runs and several pairs: published numbers, scipy and statsmodels as oracles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from fmnistlab.errors import ConfigurationError
from fmnistlab.statistics.single_runs import TwoRuns, chance_to_beat, holm, two_runs


@pytest.mark.parametrize(
    ("b", "c", "exact", "mid"),
    [
        (121, 59, 4.43e-6, None),
        (6, 16, 0.0525, 0.0347),  # Wikipedia's pair
        (86, 150, 3.72e-5, None),  # Agresti
        (25, 15, 0.1539, None),  # mlxtend's
        (11, 1, 0.00635, 0.00342),
        (0, 0, 1.0, 1.0),
    ],
)
def test_mcnemars_published_numbers(b: int, c: int, exact: float, mid: float | None) -> None:
    found = TwoRuns(b, c, 10_000)
    assert found.p_exact == pytest.approx(exact, rel=5e-3)
    if mid is not None:
        assert found.p_mid == pytest.approx(mid, rel=5e-3)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemars_exact_test_is_that_of_statsmodels(b: int, c: int) -> None:
    table = [[0, b], [c, 0]]
    found = TwoRuns(b, c, 1000)
    assert found.p_exact == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-12)
    assert 0 <= found.p_mid <= found.p_exact


def test_the_paired_interval() -> None:
    found = TwoRuns(450, 350, 10_000)
    assert found.estimate.value == pytest.approx(0.01)
    assert found.estimate.variance**0.5 == pytest.approx(0.002827, abs=5e-7)
    assert found.estimate.interval() == pytest.approx((0.00446, 0.01554), abs=5e-6)
    assert found.p_exact == pytest.approx(0.000458, abs=5e-7)
    assert found.disagreement == pytest.approx(0.08)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_counts_are_those_of_the_images(pairs: list[tuple[bool, bool]]) -> None:
    one, other = np.array(pairs, dtype=np.uint8).T
    found = two_runs(one, other)
    assert found.only_one == sum(a and not b for a, b in pairs)
    assert found.only_other == sum(b and not a for a, b in pairs)
    assert found.estimate.value == pytest.approx(float(one.mean()) - float(other.mean()))


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize(
    ("one", "other"), [([1, 0], [1]), ([], []), ([[1]], [[1]]), ([2, 0], [1, 0])]
)
def test_what_are_no_rows_of_right_and_wrong_is_refused(one: list[int], other: list[int]) -> None:
    with pytest.raises(ConfigurationError, match="run"):
        two_runs(np.array(one, dtype=np.uint8), np.array(other, dtype=np.uint8))


def test_holms_published_numbers() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


@given(*[st.lists(st.integers(0, 9), min_size=1, max_size=8)] * 2)
def test_the_chance_to_beat_is_mann_and_whitneys(one: list[int], other: list[int]) -> None:
    statistic = stats.mannwhitneyu(one, other).statistic
    expected = statistic / (len(one) * len(other))
    assert chance_to_beat([*map(float, one)], [*map(float, other)]) == pytest.approx(expected)
