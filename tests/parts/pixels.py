"""Pixels and numbers of all types and ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from tests.parts.row import ADAM, Row, perceptron
from tests.tiny import tiny_set
from torch import Tensor, nn
from torch.utils.data import TensorDataset


def changed(change: Callable[[Tensor], Tensor], labels: torch.dtype = torch.int64) -> Any:
    """Returns what makes the tiny set with other images."""

    def make() -> TensorDataset:
        images, numbers = tiny_set().tensors
        return TensorDataset(change(images), numbers.to(labels))

    return make


def normalized() -> nn.Module:
    """A model that divides batches by their own spread."""
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10))


class InDouble(nn.Module):
    """Computes in double precision, whatever comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = perceptron().double()

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images.double())
        return scores


ROWS = [
    Row(part="float32 pixels from 0 to 1", data=changed(lambda x: x / 255), recordable=True),
    Row(part="float64 pixels from 0 to 1", data=changed(lambda x: x.double() / 255)),
    Row(part="standardized pixels, below 0", data=changed(lambda x: (x / 255 - 0.3) / 0.35)),
    Row(part="float pixels from 0 to 255", data=changed(lambda x: x.float()), refused="255"),
    Row(part="int64 pixels", data=changed(lambda x: x.long()), refused="int64"),
    Row(part="Boolean pixels", data=changed(lambda x: x > 127), refused="bool"),
    Row(part="uint8 labels", data=changed(lambda x: x, torch.uint8)),
    Row(part="int32 labels", data=changed(lambda x: x, torch.int32)),
    Row(part="`model.double()`", make=lambda: perceptron().double(), refused="float64"),
    Row(part="a model that casts to double precision", make=InDouble),
    Row(
        part="batch norm in batches of one image",
        make=normalized,
        recipe=ADAM.replace(batch_size=1),
        refused="BatchNorm1d",
    ),
    Row(part="a last batch of one image, batch norm", make=normalized, data=lambda: tiny_set(41)),
]
