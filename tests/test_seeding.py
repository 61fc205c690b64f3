from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fmnistlab import seeding
from fmnistlab.errors import ConfigurationError

SEEDS = st.integers(-(2**70), 2**70)


def splitmix64(key: int, counter: int) -> int:
    """The published algorithm on Python's unbounded integers, as an independent reference."""
    mask = 2**64 - 1
    state = (key + (counter + 1) * 0x9E3779B97F4A7C15) & mask
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    return state ^ (state >> 31)


def test_the_reference_gives_the_published_first_output_of_splitmix64() -> None:
    # First output for seed 0, as in the test vectors of several published implementations.
    assert splitmix64(0, 0) == 0xE220A8397B1DCDAF


def test_derived_seeds_never_change() -> None:
    """Golden numbers: results people wrote down depend on them."""
    assert seeding.derive_seed(0, "order", 1) == 3560704936019802908
    assert seeding.derive_seed(-1, "noise") == 3818874376904681957


@given(SEEDS, st.integers(0, 100), st.integers(0, 100))
def test_seeds_of_different_places_differ(seed: int, one: int, other: int) -> None:
    same = seeding.derive_seed(seed, "order", one) == seeding.derive_seed(seed, "order", other)
    assert same == (one == other)
    assert seeding.derive_seed(seed, "order", one) != seeding.derive_seed(seed, "augment", one)
    assert 0 <= seeding.derive_seed(seed, "order", one) < 2**63


@given(SEEDS, st.integers(1, 500), st.integers(1, 50))
def test_an_order_visits_each_item_once_and_is_a_function(
    seed: int, count: int, epoch: int
) -> None:
    order = seeding.permutation(count, seed, epoch)
    assert sorted(order.tolist()) == list(range(count))
    torch.rand(3)  # somebody else draws numbers
    assert torch.equal(order, seeding.permutation(count, seed, epoch))


@given(
    st.lists(SEEDS, min_size=2, max_size=3, unique=True),
    st.lists(st.integers(1, 50), min_size=2, max_size=3, unique=True),
    st.integers(100, 500),
)
def test_each_epoch_of_each_seed_has_an_order_of_its_own(
    seeds: list[int], epochs: list[int], count: int
) -> None:
    # Two orders of 100 items are the same by chance once in 10**158.
    orders = {
        tuple(seeding.permutation(count, seed, epoch).tolist())
        for seed in seeds
        for epoch in epochs
    }
    assert len(orders) == len(seeds) * len(epochs)


@given(SEEDS, st.integers(1, 50), st.lists(st.integers(0, 10**6), min_size=1), st.integers(1, 5))
def test_uniform_numbers_equal_the_reference(
    seed: int, epoch: int, items: list[int], draws: int
) -> None:
    numbers = seeding.uniform(draws, torch.tensor(items), seed=seed, epoch=epoch)
    key = seeding.derive_seed(seed, "augment", epoch)
    expected = [
        [(splitmix64(key, item * draws + draw) >> 40) / 2**24 for draw in range(draws)]
        for item in items
    ]
    assert numbers.tolist() == expected
    assert numbers.dtype == torch.float32


def test_uniform_numbers_look_uniform() -> None:
    numbers = seeding.uniform(2, torch.arange(50_000), seed=3, epoch=1).double()
    # The standard error of the mean of 100,000 uniform numbers is 0.0009.
    assert abs(numbers.mean().item() - 0.5) < 0.004
    assert abs(numbers.var().item() - 1 / 12) < 0.002
    columns = torch.corrcoef(numbers.T)
    assert abs(columns[0, 1].item()) < 0.02


def test_seeds_are_those_that_torch_and_files_can_hold() -> None:
    assert seeding.checked_seed(2**63 - 1) == 2**63 - 1
    for seed in (2**63, -1):
        with pytest.raises(ConfigurationError, match="9,223,372,036,854,775,807"):
            seeding.checked_seed(seed)
