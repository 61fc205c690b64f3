"""Loss and accuracy over many batches, weighted by image, read from the device once."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from fmnistlab.shapes import Float, Int64, Shaped
from fmnistlab.training.metrics import Metrics

_FOLD_EVERY = 4096


class MeterState(NamedTuple):
    """What a meter has noted.

    Attributes:
        sums: sum of the losses of each batch, float64 (batches,).
        correct: images that were classified rightly.
        seen: images.
    """

    sums: Tensor
    correct: int
    seen: int


class Meter:
    """Collects what each batch gave and sums it up when asked.

    Adding a batch only keeps references: the sums are one stacked operation later, which costs a
    training step about a microsecond instead of the five small operations of running sums.
    The sum of losses is exact until it is rounded once, at the end, so it does not matter when
    somebody looks, or whether the epoch was interrupted.
    """

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._logits: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._sums: list[float] = []  # of the losses of each batch
        self._correct = 0
        self._count = 0

    def state(self) -> MeterState:
        """Returns all that was noted so far."""
        self._fold()
        return MeterState(torch.tensor(self._sums, dtype=torch.float64), self._correct, self._count)

    @classmethod
    def from_state(cls, state: MeterState) -> Meter:
        """Returns a meter that goes on from what `state` returned."""
        meter = cls()
        meter._sums = state.sums.tolist()
        meter._correct, meter._count = state.correct, state.seen
        return meter

    def add(
        self,
        loss: Float[Tensor, ""],
        logits: Float[Tensor, "batch classes"],
        labels: Shaped[Tensor, "batch ..."],
    ) -> None:
        """Notes one batch.

        Args:
            loss: mean loss of the batch, detached.
            logits: class scores, detached.
            labels: int64 (batch,), or one-hot (batch, classes).
        """
        self._losses.append(loss)
        self._logits.append(logits)
        self._labels.append(labels)
        if len(self._losses) == _FOLD_EVERY:
            self._fold()

    def metrics(self) -> Metrics:
        """Returns mean loss and accuracy over all batches so far; nan for both if there is none."""
        self._fold()
        if self._count == 0:
            return Metrics(loss=float("nan"), accuracy=float("nan"), count=0)
        return Metrics(
            loss=_exact_sum(self._sums) / self._count,
            accuracy=self._correct / self._count,
            count=self._count,
        )

    def _fold(self) -> None:
        if not self._losses:
            return
        counts = torch.tensor([len(logits) for logits in self._logits], dtype=torch.float64)
        losses = torch.stack(self._losses).to("cpu", torch.float64)
        labels = torch.cat([class_indices(labels) for labels in self._labels])
        predicted = torch.cat(self._logits).argmax(dim=1)
        self._sums += (losses * counts).tolist()
        self._correct += int((predicted == labels).sum())
        self._count += len(labels)
        self._losses, self._logits, self._labels = [], [], []


def _exact_sum(values: list[float]) -> float:
    """Returns the sum, rounded once; nan if it has infinities of both signs."""
    try:
        return math.fsum(values)
    except (ValueError, OverflowError):
        return sum(values)


def class_indices(labels: Shaped[Tensor, "batch ..."]) -> Int64[Tensor, "batch"]:
    """Returns labels as class indices; one-hot rows give the index of their largest entry."""
    return labels if labels.ndim == 1 else labels.argmax(dim=1)
