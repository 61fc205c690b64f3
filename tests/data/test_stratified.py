"""Splits: rows and order are those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split
from tests.data.datasets import dataset_of
from tests.strategies import labels_of_classes

from fmnistlab import FashionMNISTCSV
from fmnistlab.data.stratified import stratified_rows
from fmnistlab.errors import ConfigurationError


@settings(max_examples=200)
@given(
    labels=labels_of_classes(),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1) | st.just(42),
)
def test_a_split_has_the_rows_of_scikit_learn(
    labels: list[int], fraction: float, seed: int
) -> None:
    images = np.zeros((len(labels), 28, 28), np.uint8)
    images[:, 0, 0] = np.arange(len(labels))  # tells the row
    dataset = FashionMNISTCSV.from_arrays(images, np.array(labels))
    try:
        expected = train_test_split(
            range(len(labels)), test_size=fraction, stratify=labels, random_state=seed
        )
    except ValueError:
        with pytest.raises(ConfigurationError, match="cannot be split"):
            dataset.split(fraction, seed)
        return
    parts = dataset.split(fraction, seed)
    for part, rows in zip(parts, expected, strict=True):
        assert part.data[:, 0, 0].tolist() == rows
        assert part.targets.tolist() == [labels[row] for row in rows]


@given(
    counts=st.lists(st.integers(2, 2_000), min_size=1, max_size=10),
    fraction=st.floats(0.001, 0.999) | st.sampled_from([0.1, 0.2, 0.25, 1 / 3, 0.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_many_rows_are_shared_out_as_scikit_learn_does(
    counts: list[int], fraction: float, seed: int
) -> None:
    ordered = np.repeat(np.arange(len(counts)), counts)
    labels = np.random.default_rng(seed).permutation(ordered)
    assume(len(counts) <= np.ceil(fraction * len(labels)) <= len(labels) - len(counts))
    expected = train_test_split(
        np.arange(len(labels)), test_size=fraction, stratify=labels, random_state=seed
    )
    found = stratified_rows(labels, fraction, seed, name="made up")
    for rows, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(rows, wanted)
        assert rows.dtype == np.int64


def test_a_split_is_a_fifth_with_seed_42_unless_told() -> None:
    dataset = dataset_of(100)
    fit_set, valid_set = dataset.split()
    again, _ = dataset.split(valid_fraction=0.2, seed=42)
    other, _ = dataset.split(seed=43)
    assert (len(fit_set), len(valid_set)) == (80, 20)
    assert valid_set.targets.bincount().tolist() == [2] * 10
    assert torch.equal(fit_set.data, again.data)
    assert not torch.equal(fit_set.data, other.data)
    assert fit_set.name == "arrays, fit part (seed 42)"
    assert valid_set.name == "arrays, valid part (seed 42)"


@pytest.mark.parametrize(
    ("fraction", "seed"),
    [(0.0, 1), (1.0, 1), (-0.1, 1), (1.5, 1), (float("nan"), 1), (0.2, -1), (0.2, 2**32)],
)
def test_impossible_splits_are_refused(fraction: float, seed: int) -> None:
    refused = "seed is .* from 0 to 4,294,967,295|valid_fraction is .*above 0 and below 1"
    with pytest.raises(ConfigurationError, match=refused):
        dataset_of(100).split(fraction, seed)


def test_a_class_with_a_single_item_cannot_be_split() -> None:
    with pytest.raises(ConfigurationError, match=r"arrays: 11 items .*rarest with 1, cannot be"):
        dataset_of(11).split()
