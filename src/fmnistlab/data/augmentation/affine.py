"""Images turned and scaled by a little."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from fmnistlab.data.augmentation.ranges import number_range, within
from fmnistlab.foundation.checks import number
from fmnistlab.shapes import Float


@dataclasses.dataclass(frozen=True)
class RandomAffine:
    """Turns and scales an image by a little.

    The middle stays, black (0) comes in from outside, and between pixels it is interpolated
    (bilinear); none becomes brighter than the brightest of the image.

    Args:
        degrees: largest turn either way, 0 to 45. The tangent of half the turn is uniform, which
            for small turns is as good as the turn itself.
        scale: smallest and largest scale, 0.1 to 10, 1 being the image as it is; every one between
            is equally likely.

    Raises:
        ConfigurationError: a number is out of range, or a range is none.
    """

    degrees: float = 10.0
    scale: tuple[float, float] = (0.9, 1.1)
    draws: ClassVar[int] = 2

    def __post_init__(self) -> None:
        degrees = number("RandomAffine: degrees", self.degrees, least=0, most=45)
        object.__setattr__(self, "degrees", degrees)
        scale = number_range("RandomAffine: scale", self.scale, least=0.1, most=10)
        object.__setattr__(self, "scale", scale)

    def __call__(
        self, images: Float[Tensor, "batch 1 28 28"], uniform: Float[Tensor, "batch draws"]
    ) -> Float[Tensor, "batch 1 28 28"]:
        """Returns the images, each with a turn and a scale of its own."""
        # A turn by the tangent of its half needs no sine: that of many numbers at once can have
        # another last bit than that of one, and a matrix product too.
        largest = math.tan(math.radians(self.degrees) / 2)
        half = within((-largest, largest), uniform[:, 0]).view(-1, 1, 1)
        scale = within(self.scale, uniform[:, 1]).view(-1, 1, 1)
        norm = (1 + half * half) * scale
        cosine, sine = (1 - half * half) / norm, 2 * half / norm
        size = images.shape[-1]
        line = (2 * torch.arange(size, device=images.device, dtype=images.dtype) + 1) / size - 1
        x, y = line.view(1, 1, -1), line.view(1, -1, 1)
        grid = torch.stack([cosine * x - sine * y, sine * x + cosine * y], dim=-1)
        found = grid_sample(
            images, grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        lowest = images.amin((1, 2, 3), keepdim=True).clamp(max=0)
        highest = images.amax((1, 2, 3), keepdim=True).clamp(min=0)
        found = torch.maximum(torch.minimum(found, highest), lowest)
        moved = (half != 0) | (scale != 1)
        return torch.where(moved.unsqueeze(1), found, images)
