"""Random changes of training images, as pure functions of the images and of uniform numbers."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import ClassVar, Protocol, TypeGuard, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from fmnistlab import seeding
from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.foundation.checks import number, shown, whole_number
from fmnistlab.foundation.global_random import isolated_randomness, random_states
from fmnistlab.foundation.typed_json import read_as
from fmnistlab.shapes import Float


@runtime_checkable
class Augmentation(Protocol):
    """What `Recipe.augmentation` takes: any object with these two parts.

    Attributes:
        draws: how many uniform numbers one image needs.
    """

    draws: ClassVar[int]

    def __call__(
        self, images: Float[Tensor, "batch 1 28 28"], uniform: Float[Tensor, "batch draws"]
    ) -> Float[Tensor, "batch 1 28 28"]:
        """Returns changed images; `uniform` holds numbers in [0, 1), `draws` for each image."""
        ...


@dataclasses.dataclass(frozen=True)
class HorizontalFlip:
    """Mirrors an image left to right; every class of Fashion-MNIST keeps its meaning.

    Args:
        probability: how often, 0 to 1.

    Raises:
        ConfigurationError: the number is out of range.
    """

    probability: float = 0.5
    draws: ClassVar[int] = 1

    def __post_init__(self) -> None:
        checked = number("HorizontalFlip: probability", self.probability, least=0, most=1)
        object.__setattr__(self, "probability", checked)

    def __call__(
        self, images: Float[Tensor, "batch 1 28 28"], uniform: Float[Tensor, "batch draws"]
    ) -> Float[Tensor, "batch 1 28 28"]:
        """Returns the images, some of them mirrored."""
        mirrored = (uniform[:, 0] < self.probability).view(-1, 1, 1, 1)
        return torch.where(mirrored, images.flip(-1), images)


@dataclasses.dataclass(frozen=True)
class RandomShift:
    """Moves an image up to `pixels` up, down, left and right; black (0) comes in from outside.

    Args:
        pixels: largest shift along each axis, 1 to 27; every whole shift is equally likely.

    Raises:
        ConfigurationError: the number is out of range.
    """

    pixels: int = 2
    draws: ClassVar[int] = 2

    def __post_init__(self) -> None:
        checked = whole_number("RandomShift: pixels", self.pixels, most=27)
        object.__setattr__(self, "pixels", checked)

    def __call__(
        self, images: Float[Tensor, "batch 1 28 28"], uniform: Float[Tensor, "batch draws"]
    ) -> Float[Tensor, "batch 1 28 28"]:
        """Returns the images, each moved by its own shift."""
        size = images.shape[-1]
        padded = torch.nn.functional.pad(images[:, 0], [self.pixels] * 4)
        corner = (uniform * (2 * self.pixels + 1)).long()
        reach = torch.arange(size, device=images.device)
        rows = (corner[:, 0:1] + reach).unsqueeze(2)
        columns = (corner[:, 1:2] + reach).unsqueeze(1)
        item = torch.arange(len(images), device=images.device).view(-1, 1, 1)
        return padded[item, rows, columns].unsqueeze(1)


def check_augmentations(
    augmentations: Sequence[Augmentation], images: Float[Tensor, "batch ..."], seed: int
) -> None:
    """Tries augmentations on a few images, as pure functions of the images and uniform numbers.

    A random state of its own, or a global one, would make of a resumed training another one.

    Args:
        augmentations: applied one after the other.
        images: float32; left as they are, as are all global random states.
        seed: of the uniform numbers they are tried with.

    Raises:
        ConfigurationError: one gives other images the second time, draws from a random generator,
            changes its input in place, or gives another shape or type than it got.
    """
    with isolated_randomness(seed, images.device):
        for number, change in enumerate(augmentations):
            item = torch.arange(len(images), device=images.device)
            uniform = seeding.uniform(change.draws, item, seed=seed, epoch=number)
            images = _tried(change, images, uniform)


_TRIALS = 4


def _tried(change: Augmentation, images: Tensor, uniform: Tensor) -> Tensor:
    """Returns what the augmentation makes of the images, after it was found harmless."""
    name = type(change).__qualname__
    given, draws = images.clone(), uniform.clone()
    before = _generators(change, images.device)
    changed = [change(given, draws) for _ in range(_TRIALS)]
    found = changed[0]
    if not _same(given, images) or not _same(draws, uniform):
        raise ConfigurationError(
            f"The augmentation {name} changes what it is given; return new images instead."
        )
    if not isinstance(found, Tensor):
        raise ConfigurationError(
            f"The augmentation {name} gives {type(found).__name__}, no tensor."
        )
    made, wanted = (found.dtype, tuple(found.shape)), (images.dtype, tuple(images.shape))
    if made != wanted:
        raise ConfigurationError(
            f"The augmentation {name} makes of {wanted[0]} images of shape {wanted[1]} {made[0]} "
            f"ones of shape {made[1]}; both must stay as they are."
        )
    after = _generators(change, images.device)
    drawn = [where for where in after if after[where] != before.get(where)]
    if drawn or not all(_same(found, again) for again in changed[1:]):
        source = f" from {drawn[0]}" if drawn else ""
        raise ConfigurationError(
            f"The augmentation {name} makes of the same images and numbers other images each "
            f"time: it draws at random{source}, so no training with it could be resumed. Use the "
            "numbers in `uniform`, and set `draws` to how many an image needs."
        )
    return found


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(*(t.contiguous().view(torch.uint8) for t in (one, other)))


def _generators(change: Augmentation, device: torch.device) -> dict[str, str]:
    """Returns where the global random generators stand, and those that the augmentation keeps."""
    torchs, accelerator, others = random_states(device)
    states: dict[str, object] = {
        "torch's global generator": (torchs.tolist(), accelerator),
        "Python's global generator": others["python"],
        "numpy's global generator": others["numpy"],
    }
    for name, value in getattr(change, "__dict__", {}).items():
        if isinstance(value, torch.Generator):
            states[f"its own {name}"] = value.get_state().tolist()
        elif isinstance(value, random.Random):
            states[f"its own {name}"] = value.getstate()
        elif isinstance(value, np.random.Generator):
            states[f"its own {name}"] = value.bit_generator.state
        elif isinstance(value, np.random.RandomState):
            states[f"its own {name}"] = value.get_state(legacy=False)
    return {where: repr(state) for where, state in states.items()}


_KINDS: dict[str, type[HorizontalFlip | RandomShift]] = {
    kind.__name__: kind for kind in (HorizontalFlip, RandomShift)
}


def is_own_augmentation(augmentation: object) -> TypeGuard[HorizontalFlip | RandomShift]:
    """Returns whether it is one of the augmentations of this module."""
    return type(augmentation) in _KINDS.values()


def augmentation_to_dict(augmentation: Augmentation) -> dict[str, object]:
    """Returns a JSON-able description of one of the augmentations of this module.

    Raises:
        ConfigurationError: it is your own, which no file without code can describe.
    """
    if is_own_augmentation(augmentation):
        settings = {f.name: getattr(augmentation, f.name) for f in dataclasses.fields(augmentation)}
        return {"name": type(augmentation).__name__, **settings}
    raise ConfigurationError(
        f"The augmentation {augmentation!r} is not one of {', '.join(_KINDS)}, so it cannot be "
        "written to a file; give the recipe again when you load."
    )


def augmentation_from_dict(description: dict[str, object]) -> Augmentation:
    """Returns the augmentation that `augmentation_to_dict` described.

    Raises:
        ConfigurationError: it is no description, or the name or a setting is unknown, missing or
            impossible.
    """
    if not isinstance(description, dict):
        raise ConfigurationError(
            f"An augmentation is described by a name and settings, not by {shown(description)}."
        )
    settings = dict(description)
    name = str(settings.pop("name", None))
    kind = _KINDS.get(name)
    if kind is None:
        raise ConfigurationError(f"Unknown augmentation {name!r}.{suggestion(name, _KINDS)}")
    augmentation: Augmentation = read_as(kind, settings, f"Augmentation {name}")
    return augmentation
