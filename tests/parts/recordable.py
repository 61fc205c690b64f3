"""Models that may be recorded: torch's own layers, or a class that says so in one line."""

from __future__ import annotations

from typing import ClassVar

import torch
from tests.parts.groups import one_cycle
from tests.parts.row import ADAM, SGD, Row
from tests.parts.weights import dropping
from torch import Tensor, nn

from fmnistlab.data import RandomShift
from fmnistlab.models.cnn import CNN
from fmnistlab.models.linear import LinearNet


class Recordable(nn.Module):
    """Says that its `forward` does nothing but compute, and the same each time."""

    recordable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(784, 16)
        self.second = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.second(torch.relu(self.first(images.flatten(1))))
        return scores


class Inherits(Recordable):
    """Has a `forward` of its own, which counts its calls, and does not say anything about it."""

    calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += self.training
        return super().forward(images) * (1 + self.calls % 2)


class Normalized(nn.Module):
    """Batch norm, whose buffers move with each step, and dropout."""

    recordable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(784, 16, bias=False)
        self.norm = nn.BatchNorm1d(16)
        self.drop = nn.Dropout(0.2)
        self.second = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.norm(self.first(images.flatten(1))))
        scores: Tensor = self.second(self.drop(hidden))
        return scores


def gelu_net() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.LayerNorm(784), nn.Linear(784, 12), nn.GELU(), nn.Linear(12, 10)
    )


ROWS = [
    Row(part="`LinearNet`", make=LinearNet, recordable=True),
    Row(part="`LinearNet`, SGD", make=LinearNet, recipe=SGD, recordable=True),
    Row(part="`CNN`", make=CNN, saved=True, recordable=True),
    Row(
        part="`CNN`, AdamW, a last batch that is smaller",
        make=CNN,
        recipe=ADAM.replace(optimizer="adamw", weight_decay=0.01, batch_size=12),
        recordable=True,
    ),
    Row(part="layer norm and GELU", make=gelu_net, recordable=True),
    Row(part="a class with `recordable = True`", make=Recordable, saved=True, recordable=True),
    Row(
        part="a class with `recordable = True`, batch norm and dropout",
        make=Normalized,
        recipe=SGD,
        recordable=True,
    ),
    Row(part="a subclass of such a class with a `forward` of its own", make=Inherits),
    Row(
        part="dropout, `one_cycle` and augmentation in a recorded step",
        make=dropping,
        recipe=ADAM.replace(schedule="one_cycle", augmentation=(RandomShift(2),)),
        schedule=one_cycle,
        recordable=True,
    ),
]
