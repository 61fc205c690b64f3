"""Augmentations that are no pure functions are refused by name, before the first step."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from tests.tiny import tiny_linear, tiny_set
from torch import Tensor

from fmnistlab.data import AlternatingFlip, HorizontalFlip, RandomShift
from fmnistlab.data.augmentation.check import check_augmentations
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


class EachEpoch:
    """An augmentation of two epochs, of which the second is wrong."""

    draws: ClassVar[int] = 0
    across_epochs: ClassVar[bool] = True

    def __init__(self, change: Callable[[Tensor, Tensor], Any]) -> None:
        self.change = change

    def __call__(self, images: Tensor, uniform: Tensor, epoch: int = 1) -> Any:
        return images if epoch == 1 else self.change(images, uniform)


class NoEpoch:
    draws = 1
    across_epochs = True

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        return images


class Alone:
    draws = 0

    def __call__(self, images: Tensor) -> Tensor:
        return images


class Word(NoEpoch):
    across_epochs: Any = "yes"


class Negative(Darken):
    draws = -1


class Half(Darken):
    draws: ClassVar[Any] = 1.5


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
    "not finite": (Plain(lambda x, u: x / 0), "Plain makes values that are not finite of images"),
    "raises": (
        Plain(lambda x, u: dict[str, Any]()["key"]),
        "The augmentation Plain fails: KeyError: 'key'",
    ),
    "gradient": (Plain(lambda x, u: x * torch.ones(1, requires_grad=True)), "has a gradient"),
    "no tensor": (Plain(lambda x, u: None), "gives NoneType, no tensor"),
    "shape": (Plain(lambda x, u: x[..., 1:]), r"images of shape \(6, 1, 28, 28\) .* \(6, 1, 28"),
    "epoch": (EachEpoch(lambda x, u: x[..., 1:]), r"EachEpoch makes of .* \(6, 1, 28, 27\)"),
    "no epoch": (NoEpoch(), "NoEpoch cannot be called with images, numbers, the epoch: too many"),
    "no numbers": (Alone(), "Alone cannot be called with images, numbers: too many positional"),
    "a word": (Word(), "Word: across_epochs is 'yes'; use True or False"),
    "fewer than none": (Negative(), "Negative: draws is -1; use a whole number from 0"),
    "half a number": (Half(), "Half: draws is 1.5; use a whole number from 0"),
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
    check_augmentations([Darken(), RandomShift(), AlternatingFlip()], IMAGES, 3)
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
