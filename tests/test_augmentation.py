from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmnistlab.data.augmentation import (
    HorizontalFlip,
    RandomShift,
    augmentation_from_dict,
    augmentation_to_dict,
)
from fmnistlab.errors import ConfigurationError


class Darken:
    """An augmentation of somebody else's."""

    draws: ClassVar[int] = 1

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        return images * uniform.view(-1, 1, 1, 1)


IMAGES = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0)) + 0.1


@given(st.floats(0, 1))
def test_flips_mirror_exactly_the_images_below_the_probability(probability: float) -> None:
    uniform = torch.linspace(0, 0.99, 6).unsqueeze(1)
    flipped = HorizontalFlip(probability)(IMAGES, uniform)
    for image, result, number in zip(IMAGES, flipped, uniform[:, 0], strict=True):
        mirrored = image[0].numpy()[:, ::-1].copy()
        expected = torch.from_numpy(mirrored) if number < probability else image[0]
        assert torch.equal(result[0], expected)


@given(st.integers(1, 27), st.lists(st.floats(0, 0.999), min_size=2, max_size=2))
def test_shifts_move_the_image_and_fill_with_black(pixels: int, numbers: list[float]) -> None:
    uniform = torch.tensor([numbers], dtype=torch.float32)
    shifted = RandomShift(pixels)(IMAGES[:1], uniform)[0, 0]
    # In float32, as the package computes it: 0.52 * 25 is 13 there, and a little less in float64.
    down, right = (pixels - int(place) for place in (uniform[0] * (2 * pixels + 1)).tolist())
    expected = torch.zeros(28, 28)
    for row in range(28):
        for column in range(28):
            if 0 <= row - down < 28 and 0 <= column - right < 28:
                expected[row, column] = IMAGES[0, 0, row - down, column - right]
    assert torch.equal(shifted, expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: HorizontalFlip(-0.1),
        lambda: HorizontalFlip(float("nan")),
        lambda: RandomShift(0),
        lambda: RandomShift(28),
    ],
)
def test_impossible_settings_are_refused(make: object) -> None:
    with pytest.raises(ConfigurationError):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("change", [HorizontalFlip(0.25), RandomShift(3)])
def test_augmentations_survive_their_description(change: HorizontalFlip | RandomShift) -> None:
    assert augmentation_from_dict(augmentation_to_dict(change)) == change


def test_unknown_descriptions_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'RandomShift'"):
        augmentation_from_dict({"name": "RandomShft"})
    with pytest.raises(ConfigurationError, match="RandomShift"):
        augmentation_from_dict({"name": "RandomShift", "amount": 2})


def test_somebody_elses_augmentation_has_no_description() -> None:
    with pytest.raises(ConfigurationError, match="give the recipe again"):
        augmentation_to_dict(Darken())
