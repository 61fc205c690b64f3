from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny import tiny_linear, tiny_set
from torch import Tensor

from fmnistlab.data import (
    HorizontalFlip,
    RandomShift,
    augmentation_from_dict,
    augmentation_to_dict,
    check_augmentations,
)
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.global_random import random_states
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer


class Darken:
    """An augmentation as a user writes one."""

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
def test_impossible_settings_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError):
        make()


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


class Own:
    """An augmentation that draws from a generator of its own."""

    draws: ClassVar[int] = 1

    def __init__(self, generator: Any, draw: Callable[[Any], float]) -> None:
        self.generator = generator
        self.draw = draw

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        return images * float(self.draw(self.generator))


class Plain:
    """An augmentation that is a function."""

    draws: ClassVar[int] = 1

    def __init__(self, change: Callable[[Tensor, Tensor], Any]) -> None:
        self.change = change

    def __call__(self, images: Tensor, uniform: Tensor) -> Any:
        return self.change(images, uniform)


def counting() -> Callable[[Tensor, Tensor], Tensor]:
    calls: list[int] = []

    def change(images: Tensor, uniform: Tensor) -> Tensor:
        calls.append(1)
        return images * len(calls)

    return change


SELDOM = Own(random.Random(3), lambda g: 1.0 if g.random() < 1 else 0.5)
REFUSED: dict[str, tuple[Any, str]] = {
    "torch's own": (
        Own(torch.Generator(), lambda g: float(torch.rand((), generator=g))),
        "draws at random from its own generator, so no training",
    ),
    "Python's own": (Own(random.Random(3), lambda g: g.random()), "from its own generator"),
    "numpy's own": (Own(np.random.default_rng(3), lambda g: g.random()), "its own generator"),
    "numpy's older": (Own(np.random.RandomState(3), lambda g: g.rand()), "its own generator"),
    "drawn and rarely used": (SELDOM, "from its own generator"),
    "torch's global": (Plain(lambda x, u: x * torch.rand(())), "from torch's global generator"),
    "Python's global": (Plain(lambda x, u: x * random.random()), "from Python's global"),
    "numpy's global": (
        Plain(lambda x, u: x * np.random.rand()),  # noqa: NPY002 - the global one is meant
        "from numpy's global",
    ),
    "counting": (Plain(counting()), "other images each time: it draws at random, so"),
    "in place": (Plain(lambda x, u: x.mul_(0.5)), "changes what it is given; return new images"),
    "numbers in place": (Plain(lambda x, u: x + u.mul_(0.5).sum()), "changes what it is given"),
    "no tensor": (Plain(lambda x, u: None), "gives NoneType, no tensor"),
    "shape": (Plain(lambda x, u: x[..., 1:]), r"images of shape \(6, 1, 28, 28\) .* \(6, 1, 28"),
    "type": (Plain(lambda x, u: x.double()), "makes of torch.float32 images .*torch.float64"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_augmentation_that_is_no_pure_function_is_refused(case: str) -> None:
    change, told = REFUSED[case]
    images = IMAGES.clone()
    with pytest.raises(ConfigurationError, match=told):
        check_augmentations([HorizontalFlip(), change], images, 3)
    assert torch.equal(images, IMAGES)


@pytest.mark.usefixtures("no_checker")  # which draws random numbers itself
def test_looking_at_augmentations_leaves_the_global_random_states_alone() -> None:
    before = random_states()
    check_augmentations([Darken(), RandomShift(), HorizontalFlip()], IMAGES, 3)
    after = random_states()
    assert torch.equal(before.torch, after.torch)
    assert before.others == after.others


def test_a_fit_begins_with_a_look_at_the_augmentations() -> None:
    recipe = Recipe(augmentation=(REFUSED["counting"][0],), batch_size=8)
    trainer = Trainer(tiny_linear(), recipe)
    with pytest.raises(ConfigurationError, match="The augmentation Plain makes of the same images"):
        trainer.fit(tiny_set())
    assert not trainer.history
    trainer.evaluate(tiny_set())  # which augments nothing
