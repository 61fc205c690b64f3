"""Random changes of training images, as pure functions of the images and of uniform numbers."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from fmnistlab.checks import number, shown, whole_number
from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.shapes import Float
from fmnistlab.typed_json import read_as


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


_KINDS: dict[str, type[HorizontalFlip | RandomShift]] = {
    kind.__name__: kind for kind in (HorizontalFlip, RandomShift)
}


def is_own_augmentation(augmentation: object) -> bool:
    """Returns whether it is one of the augmentations of this module."""
    return type(augmentation) in _KINDS.values()


def augmentation_to_dict(augmentation: Augmentation) -> dict[str, object]:
    """Returns a JSON-able description of one of the augmentations of this module.

    Raises:
        ConfigurationError: it is somebody's own, which no file without code can describe.
    """
    if is_own_augmentation(augmentation):
        settings = {f.name: getattr(augmentation, f.name) for f in dataclasses.fields(augmentation)}  # type: ignore[arg-type]
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
