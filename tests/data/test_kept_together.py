"""Splits that tear no group: what must hold for any groups and classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.data.datasets import dataset_of, images_of

from fmnistlab import FashionMNISTCSV
from fmnistlab.data.kept_together import rows_kept_together
from fmnistlab.errors import ConfigurationError

seeds = st.integers(0, 2**32 - 1)


@st.composite
def grouped(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups of up to 300 rows; groups of all sizes, also of several classes."""
    random = np.random.default_rng(draw(seeds))
    rows = draw(st.integers(2, 300))
    labels = random.integers(0, draw(st.integers(1, 10)), rows)
    groups = random.integers(-5, draw(st.sampled_from([1, 3, rows, 20 * rows])), rows)
    return labels, groups


shares = st.lists(st.integers(1, 9), min_size=2, max_size=6).map(
    lambda parts: [part / sum(parts) for part in parts]
)


@given(grouped(), shares, seeds)
def test_no_group_is_torn_and_each_row_is_in_one_part(
    case: tuple[np.ndarray, np.ndarray], shares: list[float], seed: int
) -> None:
    labels, groups = case
    parts = rows_kept_together(labels, groups, shares, seed)
    assert len(parts) == len(shares)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    where: dict[int, int] = {}
    for number, part in enumerate(parts):
        for group in groups[part].tolist():
            assert where.setdefault(group, number) == number


@given(grouped(), shares, seeds)
def test_rows_that_are_alone_are_shared_out_to_the_row(
    case: tuple[np.ndarray, np.ndarray], shares: list[float], seed: int
) -> None:
    labels, _ = case
    parts = rows_kept_together(labels, np.arange(len(labels)), shares, seed)
    for label in np.unique(labels):
        wanted = np.array(shares) * (labels == label).sum()
        counts = np.array([(labels[part] == label).sum() for part in parts])
        assert (np.abs(counts - wanted) < 1).all()


@given(st.integers(20, 200), st.integers(2, 5), st.integers(2, 5), seeds)
def test_pairs_of_one_class_are_shared_out_nearly_as_well(
    pairs: int, classes: int, folds: int, seed: int
) -> None:
    numbers = np.repeat(np.arange(pairs), 2)
    labels = numbers % classes
    parts = rows_kept_together(labels, numbers, [1 / folds] * folds, seed)
    for label in range(classes):
        counts = [int((labels[part] == label).sum()) for part in parts]
        assert max(counts) - min(counts) <= 4


@given(grouped(), st.floats(0.05, 0.95), seeds)
def test_a_split_keeps_items_and_groups_together(
    case: tuple[np.ndarray, np.ndarray], fraction: float, seed: int
) -> None:
    labels, groups = case
    images = images_of(len(labels))
    images[:, 0, 0], images[:, 0, 1] = np.arange(len(labels)) // 256, np.arange(len(labels)) % 256
    data = FashionMNISTCSV.from_arrays(images, labels)
    try:
        parts = data.split(fraction, seed, keep_together=groups)
    except ConfigurationError:
        assume(False)
    rows = [256 * part.data[:, 0, 0].long() + part.data[:, 0, 1] for part in parts]
    assert sorted(torch.cat(rows).tolist()) == list(range(len(labels)))
    assert not {*groups[rows[0].numpy()]} & {*groups[rows[1].numpy()]}
    for part, chosen in zip(parts, rows, strict=True):
        assert torch.equal(part.data, data.data[chosen])
        assert torch.equal(part.targets, data.targets[chosen])


def test_without_groups_the_rows_are_the_old_ones_and_seeds_give_others() -> None:
    data = dataset_of(100)
    assert torch.equal(data.split()[0].data, data.split(keep_together=None)[0].data)
    groups = list(range(100))
    first, again, other = (data.split(0.2, seed, keep_together=groups)[1] for seed in (1, 1, 2))
    assert torch.equal(first.data, again.data)
    assert not torch.equal(first.data, other.data)
    assert len(first) == 20


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([1, 2], "one integer for each of the 20"),
        ([0.5] * 20, "float64"),
        ([[1]] * 20, "shape"),
        ([7] * 20, "up to 20 must stay together"),
    ],
)
def test_impossible_groups_are_refused(groups: list[int], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        dataset_of(20).split(keep_together=np.array(groups))


def test_scikit_learns_word_is_known() -> None:
    with pytest.raises(ConfigurationError, match="keep_together"):
        dataset_of(20).split(groups=[1] * 20)  # type: ignore[call-arg] # a word of others
