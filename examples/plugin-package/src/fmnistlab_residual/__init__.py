"""The model `residual` for fmnistlab."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3 x 3 convolutions, to whose result the input is added (He et al. 2016).

    Args:
        inputs: channels of the images that come in.
        outputs: channels of those that go out.
        stride: 1 keeps the size of the images, 2 halves it.
    """

    # It asks torch for the same operations each time, so fmnistlab may record a training step.
    recordable: ClassVar[bool] = True

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            *_convolution(inputs, outputs, 3, stride),
            nn.ReLU(),
            *_convolution(outputs, outputs, 3),
        )
        same = inputs == outputs and stride == 1
        self.around = nn.Sequential(*([] if same else _convolution(inputs, outputs, 1, stride)))
        # A block starts as if it were not there, which makes the first steps safe.
        nn.init.zeros_(self.inner[-1].weight)

    def forward(self, images: Tensor) -> Tensor:
        """Returns float32 (batch, outputs, height / stride, width / stride), rounded up."""
        return torch.relu(self.inner(images) + self.around(images))


class Residual(nn.Sequential):
    """A residual network: blocks of two convolutions with batch normalization and a way around.

    Without options it has the shape of ResNet-20 (He et al. 2016) and 272,186 parameters. It maps
    float32 images (batch, 1, 28, 28) with pixels in 0..1 to class scores before softmax, float32
    (batch, 10).

    Args:
        width: channels in the first stage; each further stage has twice as many, and images half
            as wide.
        stages: how many stages.
        blocks: residual blocks in each stage.
        pool: whether the first convolution is followed by a pool, so that the first stage sees
            14 x 14 pixels and not 28 x 28, in a quarter of the time.
        dropout: part of the features set to 0 at random before the last layer while learning, 0 to
            1.
    """

    def __init__(
        self,
        *,
        width: int = 16,
        stages: int = 3,
        blocks: int = 3,
        pool: bool = False,
        dropout: float = 0.0,
    ) -> None:
        first = [*_convolution(1, width, 3), nn.ReLU()]
        if pool:
            first.append(nn.MaxPool2d(2))
        body: list[nn.Module] = []
        channels = width
        for stage in range(stages):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                body.append(Block(channels, width * 2**stage, stride))
                channels = width * 2**stage
        last = [
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(channels, 10),
        ]
        super().__init__(*first, *body, *last)


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    """Returns a convolution and its batch normalization, which has the bias of both."""
    return [
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
