"""Labels in doubt: the paper's example, cleanlab's answer, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnistlab.auditing import label_candidates
from fmnistlab.errors import ConfigurationError


@st.composite
def judged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities, from sure to clueless; each class has a label at least."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes, rows = draw(st.integers(2, 10)), draw(st.integers(20, 200))
    true = random.permutation(np.arange(rows) % classes)
    sharpness = draw(st.sampled_from([0.1, 1.0, 3.0]))
    scores = random.normal(size=(rows, classes)) + 3 * sharpness * np.eye(classes)[true]
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    noisy = random.random(rows) < draw(st.sampled_from([0.0, 0.05, 0.3]))
    labels = np.where(noisy & (np.arange(rows) >= classes), random.integers(0, classes, rows), true)
    return labels.astype(np.int64), chances


@given(judged())
def test_candidates_are_those_of_cleanlab(case: tuple[np.ndarray, np.ndarray]) -> None:
    """But where several classes are claimed and the most probable one is not among them.

    The paper takes the most probable of those that are claimed, cleanlab 2.9 of all.
    """
    cleanlab = pytest.importorskip("cleanlab", reason="cleanlab is the oracle")
    labels, chances = case
    usual = cleanlab.count.get_confident_thresholds(labels, chances)
    claimed = chances >= usual - 1e-6
    best_is_claimed = claimed[np.arange(len(labels)), chances.argmax(axis=1)]
    alike = best_is_claimed | (claimed.sum(axis=1) < 2)
    mask = cleanlab.filter.find_label_issues(
        labels, chances, filter_by="confident_learning", n_jobs=1
    )
    found = np.zeros(len(labels), bool)
    found[label_candidates(labels, chances)] = True
    assert (found == mask)[alike].all()
    assert (found <= mask).all()


def test_an_example_by_hand() -> None:
    # Images with label 0 get 0.6 for it on average, those with label 1 get 0.65.
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.4, 0.6]])
    labels = np.array([0, 0, 0, 1, 1])
    assert label_candidates(labels, chances).tolist() == [2]


def test_who_is_never_sure_doubts_nothing() -> None:
    labels = np.arange(20) % 10
    assert label_candidates(labels, np.full((20, 10), 0.1)).tolist() == []


@given(judged())
def test_the_model_would_choose_another_label_and_the_most_doubtful_come_first(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    labels, chances = case
    rows = label_candidates(labels, chances)
    assert (chances[rows].argmax(axis=1) != labels[rows]).all()
    given_to_label = chances[rows, labels[rows]]
    assert (np.diff(given_to_label) >= 0).all()


@given(judged(), st.integers(0, 2**32 - 1))
def test_neither_order_nor_names_of_classes_matter(
    case: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    labels, chances = case
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    names = random.permutation(chances.shape[1])
    renamed = np.empty_like(chances)
    renamed[:, names] = chances
    found = label_candidates(names[labels][order], renamed[order])
    assert {*order[found]} == {*label_candidates(labels, chances)}


@pytest.mark.parametrize(("labels", "rows"), [([0, 10], 2), ([0, -1], 2)])
def test_what_does_not_belong_together_is_refused(labels: list[int], rows: int) -> None:
    with pytest.raises(ConfigurationError, match="do not belong"):
        label_candidates(np.array(labels), np.full((rows, 10), 0.1))
