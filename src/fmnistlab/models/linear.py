"""LinearNet: fully connected layers only, blind to which pixels are neighbors."""

from __future__ import annotations

from typing import ClassVar

import torch.fx
from torch import Tensor, nn

from fmnistlab.data.schema import NUM_CLASSES, PIXELS
from fmnistlab.models.input_check import check_images
from fmnistlab.shapes import Float

# Symbolic tracing cannot follow a comparison of shapes; it keeps the check as one call.
torch.fx.wrap("check_images")


class LinearNet(nn.Module):
    """Three linear layers, 784-256-64-10, with LeakyReLU (slope 0.01) between them.

    It has 218,058 parameters and takes 435,456 floating-point operations for one image. The
    weights start as torch's layers draw them.

    Attributes:
        layers: all layers in order; an `nn.Sequential` of the same layers, made after the same
            `torch.manual_seed`, has the same weights.
    """

    recordable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.layers: nn.Sequential = nn.Sequential(
            nn.Flatten(),
            nn.Linear(PIXELS, 256),
            nn.LeakyReLU(),
            nn.Linear(256, 64),
            nn.LeakyReLU(),
            nn.Linear(64, NUM_CLASSES),
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
