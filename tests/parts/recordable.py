"""Models that may be recorded: torch's own layers, or a class that says so in one line."""

from __future__ import annotations

from typing import ClassVar

import torch
from tests.parts.layers import Attention, Block, Einsum, Perceptron, Recurrent, Tied
from tests.parts.row import ADAM, SGD, Row
from torch import Tensor, nn

from fmnistlab.models.cnn import CNN
from fmnistlab.models.linear import LinearNet


class PlainRecordable(Perceptron):
    recordable: ClassVar[bool] = True


class NormalizedRecordable(nn.Module):
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


class RecurrentRecordable(Recurrent):
    recordable: ClassVar[bool] = True


class AttentionRecordable(Attention):
    recordable: ClassVar[bool] = True


class TiedRecordable(Tied):
    recordable: ClassVar[bool] = True


class EinsumRecordable(Einsum):
    recordable: ClassVar[bool] = True


class BlockRecordable(Block):
    recordable: ClassVar[bool] = True


def residual() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        BlockRecordable(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),
    )


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
    Row(part="a class with `recordable = True`", make=PlainRecordable, recordable=True),
    Row(
        part="the same with batch norm and dropout",
        make=NormalizedRecordable,
        recipe=SGD,
        recordable=True,
    ),
    Row(part="the same with an LSTM", make=RecurrentRecordable, recordable=True),
    Row(
        part="the same with attention and dropout",
        make=AttentionRecordable,
        recipe=SGD,
        recordable=True,
    ),
    Row(part="the same with tied weights", make=TiedRecordable, recordable=True),
    Row(part="the same with einops", make=EinsumRecordable, recordable=True, needs=("einops",)),
    Row(part="the same with residual blocks", make=residual, recipe=SGD, recordable=True),
]
