"""Images mirrored left to right: at random, or every second epoch."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import torch
from torch import Tensor

from fmnistlab.foundation.checks import number
from fmnistlab.shapes import Float


@dataclasses.dataclass(frozen=True)
class HorizontalFlip:
    """Mirrors an image left to right, by chance.

    Every class of Fashion-MNIST keeps its meaning.

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
        return _mirrored(images, uniform[:, 0] < self.probability)


@dataclasses.dataclass(frozen=True)
class AlternatingFlip:
    """Mirrors an image in every second epoch.

    A random half of the images begins mirrored. So each two epochs show every image both ways,
    where `HorizontalFlip` shows a half of them twice the same way (Jordan 2024, arXiv 2404.00498).
    """

    draws: ClassVar[int] = 1
    across_epochs: ClassVar[bool] = True

    def __call__(
        self,
        images: Float[Tensor, "batch 1 28 28"],
        uniform: Float[Tensor, "batch draws"],
        epoch: int = 1,
    ) -> Float[Tensor, "batch 1 28 28"]:
        """Returns the images; those mirrored in this epoch are as they are in the next one."""
        first = uniform[:, 0] < 0.5
        return _mirrored(images, first if epoch % 2 == 1 else ~first)


def _mirrored(images: Tensor, chosen: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(-1), images)
