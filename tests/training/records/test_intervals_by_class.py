"""Intervals of precision, recall and F1, with scipy and scikit-learn as the second opinion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from scipy import stats
from sklearn.metrics import f1_score, jaccard_score
from tests.strategies import confusion_matrices

from fmnistlab.errors import ConfigurationError
from fmnistlab.metrics import class_intervals


def wilson(right: int, count: int) -> tuple[float, float]:
    """scipy's interval; all there is where nothing is known."""
    if count == 0:
        return 0.0, 1.0
    ends = stats.binomtest(right, count).proportion_ci(method="wilson")
    return ends.low, ends.high


@given(confusion_matrices)
def test_against_scipy(rows: list[list[int]]) -> None:
    matrix = np.array(rows)
    for label, found in enumerate(class_intervals(matrix)):
        right = int(matrix[label, label])
        of_class, called = int(matrix[label].sum()), int(matrix[:, label].sum())
        assert found.recall == pytest.approx(wilson(right, of_class), abs=1e-9)
        assert found.precision == pytest.approx(wilson(right, called), abs=1e-9)
        low, high = wilson(right, of_class + called - right)
        assert found.f1 == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)), abs=1e-9)
        if of_class + called:
            assert found.f1[0] <= 2 * right / (of_class + called) <= found.f1[1]


def test_f1_is_a_function_of_the_share_that_the_interval_is_of() -> None:
    generator = np.random.default_rng(0)
    true, predicted = generator.integers(0, 10, (2, 500))
    share = jaccard_score(true, predicted, average=None)
    assert f1_score(true, predicted, average=None) == pytest.approx(2 * share / (1 + share))


def test_the_interval_of_f1_holds_it_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    precise, share = 0.85, 0.1
    held = 0
    for _ in range(1000):
        of_class = generator.random(2000) < share
        called = generator.random(2000) < np.where(of_class, precise, 0.02)
        matrix = np.zeros((10, 10), np.int64)
        np.add.at(matrix, (1 - of_class.astype(int), 1 - called.astype(int)), 1)
        low, high = class_intervals(matrix)[0].f1
        true = 2 * share * precise / (share + share * precise + (1 - share) * 0.02)
        held += low <= true <= high
    assert 0.93 <= held / 1000 <= 0.98


def test_impossible_matrices_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="none below 0"):
        class_intervals(np.full((10, 10), -1))
