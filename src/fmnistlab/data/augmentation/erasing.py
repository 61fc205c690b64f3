"""A rectangle of an image covered (Zhong, Zheng, Kang, Li and Yang 2017, arXiv 1708.04896)."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import torch
from torch import Tensor

from fmnistlab.data.augmentation.ranges import number_range, within
from fmnistlab.foundation.checks import number
from fmnistlab.shapes import Float


@dataclasses.dataclass(frozen=True)
class RandomErasing:
    """Covers a rectangle of an image with grey.

    Its size, shape and place are random, its level of grey is not.

    Args:
        probability: how often, 0 to 1.
        area: smallest and largest part of the image that is covered, 0 to 1; every part between
            is equally likely, before the sides are rounded to whole pixels.
        aspect: smallest and largest height of the rectangle divided by its width, 0.01 to 100;
            every one between is equally likely. One that does not fit for its area is replaced by
            the nearest that does.
        value: grey level inside, 0 (black) to 1 (white).

    Raises:
        ConfigurationError: a number is out of range, or a range is none.
    """

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    aspect: tuple[float, float] = (0.3, 3.3)
    value: float = 0.0
    draws: ClassVar[int] = 5

    def __post_init__(self) -> None:
        name = "RandomErasing"
        checked: dict[str, object] = {
            "probability": number(f"{name}: probability", self.probability, least=0, most=1),
            "area": number_range(f"{name}: area", self.area, least=0, most=1),
            "aspect": number_range(f"{name}: aspect", self.aspect, least=0.01, most=100),
            "value": number(f"{name}: value", self.value, least=0, most=1),
        }
        for field, value in checked.items():
            object.__setattr__(self, field, value)

    def __call__(
        self, images: Float[Tensor, "batch 1 28 28"], uniform: Float[Tensor, "batch draws"]
    ) -> Float[Tensor, "batch 1 28 28"]:
        """Returns the images, a rectangle of some of them covered."""
        # Operations that are rounded right, so that no batch and no device gives another pixel.
        size = images.shape[-1]
        area = within(self.area, uniform[:, 1])
        aspect = within(self.aspect, uniform[:, 2])
        aspect = torch.maximum(torch.minimum(aspect, 1 / area), area)
        rows = _covered((area * aspect).sqrt(), uniform[:, 3], size)
        columns = _covered((area / aspect).sqrt(), uniform[:, 4], size)
        chosen = (uniform[:, 0] < self.probability).view(-1, 1, 1)
        inside = chosen & rows.unsqueeze(2) & columns.unsqueeze(1)
        return images.masked_fill(inside.unsqueeze(1), self.value)


def _covered(part: Tensor, place: Tensor, size: int) -> Tensor:
    """Returns which of `size` lines are covered, bool (batch, size).

    Args:
        part: of the lines that are covered, 0 to 1, shape (batch,).
        place: where they are, uniform numbers, shape (batch,).
        size: number of lines.
    """
    count = (part * size).round().clamp(max=size)
    first = (place * (size - count + 1)).floor().clamp(max=size - count)
    line = torch.arange(size, device=part.device)
    return (line >= first.unsqueeze(1)) & (line < (first + count).unsqueeze(1))
