"""CNN: four small convolutions, then two linear layers."""

from __future__ import annotations

from typing import ClassVar

import torch.fx
from torch import Tensor, nn

from fmnistlab.data.schema import NUM_CLASSES
from fmnistlab.models.input_check import check_images
from fmnistlab.shapes import Float

# Symbolic tracing cannot follow a comparison of shapes; it keeps the check as one call.
torch.fx.wrap("check_images")


class CNN(nn.Module):
    """Four times conv 3x3 -> max-pool 2 -> LeakyReLU, average pool, then linear 64-24-10.

    The convolutions have 8, 16, 32 and 64 channels and pad by 1, so the image shrinks only in the
    pools: 28, 14, 7, 3, 1 pixels. The slope of LeakyReLU is 0.01. It has 26,194 parameters and
    takes 1,351,392 floating-point operations for one image. The weights start as torch's layers
    draw them.

    Attributes:
        layers: all layers in order; an `nn.Sequential` of the same layers, made after the same
            `torch.manual_seed`, has the same weights.
    """

    recordable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs, outputs in ((1, 8), (8, 16), (16, 32), (32, 64)):
            blocks += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2), nn.LeakyReLU()]
        self.layers: nn.Sequential = nn.Sequential(
            *blocks,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, 24),
            nn.LeakyReLU(),
            nn.Linear(24, NUM_CLASSES),
        )

    def forward(self, images: Float[Tensor, "batch 1 28 28"]) -> Float[Tensor, "batch 10"]:
        """Returns the class scores before softmax.

        Args:
            images: float32, pixels in 0..1; `batch` may be 0.

        Returns:
            float32 logits, one row for each image.

        Raises:
            ConfigurationError: the images have another shape.
        """
        check_images(images)
        logits: Tensor = self.layers(images)
        return logits
