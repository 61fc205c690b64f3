"""Images moved by whole pixels."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import torch
from torch import Tensor

from fmnistlab.foundation.checks import whole_number
from fmnistlab.shapes import Float


@dataclasses.dataclass(frozen=True)
class RandomShift:
    """Moves an image by a few whole pixels.

    Up to `pixels` up or down and left or right; black (0) comes in from outside.

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
