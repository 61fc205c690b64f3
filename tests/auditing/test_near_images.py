"""Near images: against the distances of all pairs in whole numbers, none is missing or too many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.auditing.planted import brute_force, image_sets

from fmnistlab.auditing import NearSearch, near_images
from fmnistlab.errors import ConfigurationError


@settings(max_examples=60)
@given(image_sets(), st.data(), st.integers(1, 9), st.integers(1, 70))
def test_exactly_the_pairs_within_the_distance_are_found(
    images: np.ndarray, data: st.DataObject, block: int, components: int
) -> None:
    every = brute_force(images)
    # The distance of a pair itself is the hardest case: it must be found, and by a hair not.
    limit = data.draw(st.sampled_from(sorted({*every.values(), 0, 784 * 100})))
    limit = max(0, limit + data.draw(st.sampled_from([-1, 0, 1])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_images, "_BLOCK", block)
        patch.setattr(near_images, "_COMPONENTS", components)
        patch.setattr(near_images, "_MEASURED", 7)
        found = NearSearch(images, min(255.0, float(np.sqrt(limit / 784)))).find()
    expected = {pair for pair, squared in every.items() if squared <= limit}
    assert {(int(one), int(other)) for one, other in found.pairs} == expected
    assert np.allclose(found.distances**2 * 784, sorted(every[pair] for pair in expected))


@given(image_sets(), st.integers(1, 50))
def test_where_there_are_too_many_the_nearest_are_kept(images: np.ndarray, most: int) -> None:
    every = brute_force(images)
    found = NearSearch(images, 255.0, most=most).find()
    kept = {(int(one), int(other)) for one, other in found.pairs}
    assert len(kept) <= most
    if len(every) <= most:
        assert (len(kept), found.complete_to) == (len(every), 255.0)
    else:
        limit = found.complete_to**2 * 784
        assert kept == {pair for pair, squared in every.items() if squared < limit - 1e-6}


def test_far_blocks_are_not_compared_and_the_cost_is_said_before() -> None:
    random = np.random.default_rng(0)
    bright = random.integers(0, 100, (4 * near_images._BLOCK, 1, 1))
    images = np.broadcast_to(bright, (len(bright), 28, 28)).astype(np.uint8)
    near, far = NearSearch(images, 0.5), NearSearch(images, 255.0)
    assert near.products < far.products == 10
    assert near.seconds() >= 0
    assert near.memory < 600 * len(images) + 60e6


def test_a_single_image_has_no_double() -> None:
    found = NearSearch(np.zeros((1, 28, 28), np.uint8), 10).find()
    assert found.pairs.shape == (0, 2)


@pytest.mark.parametrize("distance", [-1, 256, float("nan")])
def test_an_impossible_distance_is_refused(distance: float) -> None:
    with pytest.raises(ConfigurationError, match="distance"):
        NearSearch(np.zeros((2, 28, 28), np.uint8), distance)
