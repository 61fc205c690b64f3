"""Calibration, with scikit-learn and worked numbers as the second opinion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from fmnistlab.errors import ConfigurationError
from fmnistlab.statistics import calibration

ROWS = np.array([[0.25, 0.20, 0.55], [0.55, 0.05, 0.40], [0.10, 0.30, 0.60], [0.90, 0.05, 0.05]])


def drawn(seed: int, rows: int = 600, sharp: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of ten classes, and labels that are drawn from them: calibrated."""
    generator = np.random.default_rng(seed)
    scores = sharp * generator.standard_normal((rows, 10))
    chances = np.exp(scores)
    chances /= chances.sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(10, p=row) for row in chances])
    return chances.astype(np.float32), labels.astype(np.int64)


def test_a_worked_example() -> None:
    found = calibration(ROWS, np.array([0, 1, 2, 0]), bins=3)
    # By width: 0.55 and 0.55 fall into the second bin with 0.60, all but the last one wrong.
    assert found.error_of_equal_widths == pytest.approx(0.2)
    assert found.accuracy == 0.5
    assert found.confidence == pytest.approx(0.65)
    # By mass: the two that are equally sure share a bin, so there are two bins and not three.
    assert [part.count for part in found.bins] == [2, 2]
    assert found.error == pytest.approx((2 * 0.55 + 0.4 + 0.1) / 4)


@given(st.integers(0, 50))
def test_against_scikit_learn(seed: int) -> None:
    chances, labels = drawn(seed)
    found = calibration(chances, labels)
    exact = chances.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    assert found.log_loss == pytest.approx(log_loss(labels, exact, labels=range(10)), rel=1e-5)
    of_classes = [brier_score_loss(labels == k, exact[:, k]) for k in range(10)]
    assert found.brier == pytest.approx(sum(of_classes))
    confidence, right = exact.max(axis=1), exact.argmax(axis=1) == labels
    shares, means = calibration_curve(right, confidence, n_bins=15, strategy="quantile")
    assert [part.accuracy for part in found.bins] == pytest.approx(shares.tolist(), abs=0.03)
    assert [part.confidence for part in found.bins] == pytest.approx(means.tolist(), abs=0.01)
    assert sum(part.count for part in found.bins) == len(labels)
    for part in found.bins:
        wilson = stats.binomtest(round(part.accuracy * part.count), part.count)
        ends = wilson.proportion_ci(method="wilson")
        assert part.interval == pytest.approx((ends.low, ends.high))


def test_a_calibrated_model_shows_what_chance_shows() -> None:
    found = [calibration(*drawn(seed, rows=3000)) for seed in range(8)]
    mean = np.mean([one.error for one in found])
    expected = np.mean([one.error_by_chance for one in found])
    assert mean == pytest.approx(expected, rel=0.15)
    sharper = calibration(drawn(0, rows=3000)[0] ** 0.5, drawn(0, rows=3000)[1])
    assert sharper.error > 3 * sharper.error_by_chance


@given(st.integers(0, 1000))
def test_the_order_of_rows_is_no_matter(seed: int) -> None:
    chances, labels = drawn(seed, rows=50)
    chances = chances.round(1)  # many are equally sure
    order = np.random.default_rng(seed + 1).permutation(50)
    one, other = calibration(chances, labels), calibration(chances[order], labels[order])
    assert one == other


def test_who_is_always_wholly_sure_has_one_bin() -> None:
    found = calibration(np.eye(10)[[0, 1, 2, 3]], np.array([0, 1, 2, 9]))
    assert [(part.confidence, part.accuracy, part.count) for part in found.bins] == [(1.0, 0.75, 4)]
    assert found.error == found.error_of_equal_widths == pytest.approx(0.25)
    assert found.error_by_chance == 0
    assert found.brier == pytest.approx(0.5)
    assert found.log_loss == pytest.approx(-np.log(1e-12) / 4)


@pytest.mark.parametrize(
    ("chances", "labels", "said"),
    [
        (np.zeros((0, 10)), np.zeros(0, np.int64), "at least one"),
        (ROWS, np.array([0, 1]), "as many of both"),
        (ROWS + 0.5, np.array([0, 1, 2, 0]), "from 0 to 1"),
        (ROWS * np.nan, np.array([0, 1, 2, 0]), "from 0 to 1"),
        (ROWS, np.array([0, 1, 2, 3]), "from 0 to 2"),
    ],
)
@pytest.mark.usefixtures("no_checker")
def test_what_is_none_is_refused(chances: np.ndarray, labels: np.ndarray, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        calibration(chances, labels)
