"""Loss and accuracy over many batches, however they were cut, read from the device once."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from fmnistlab.shapes import Float, Int64, Shaped
from fmnistlab.training.recipes.loss_weights import LabelWeights
from fmnistlab.training.records.metrics import Metrics

_FOLD_EVERY = 4096


class MeterState(NamedTuple):
    """What a meter has noted.

    Attributes:
        sums: weighted sum of the losses of each batch, float64 (batches,).
        weights: weight of each batch, float64 (batches,).
        correct: images that were classified rightly.
        counted: images whose label is not ignored.
        seen: images.
    """

    sums: Tensor
    weights: Tensor
    correct: int
    counted: int
    seen: int


class Meter:
    """Collects what each batch gave and sums it up when asked.

    The mean loss is the one that the loss would give for all images at once: the mean of each batch
    counts by the weights of its labels. Images whose label the loss ignores are seen, and neither
    right nor wrong.

    Adding a batch only keeps references: the sums are one stacked operation later, which costs a
    training step about a microsecond instead of the five small operations of running sums.
    The sum of losses is exact until it is rounded once, at the end, so it does not
    depend on when it is read, or on whether the epoch was interrupted.

    Args:
        weights: by which the loss takes its mean; see `label_weights`.
    """

    def __init__(self, weights: LabelWeights | None = None) -> None:
        self._label_weights = LabelWeights() if weights is None else weights
        self._losses: list[Tensor] = []
        self._logits: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._sums: list[float] = []  # one for each batch
        self._weights: list[float] = []  # likewise
        self._correct = 0
        self._counted = 0
        self._seen = 0

    @property
    def seen(self) -> int:
        """Images in all batches so far, those with ignored labels included."""
        return self._seen + sum(map(len, self._logits))

    def state(self) -> MeterState:
        """Returns all that was noted so far."""
        self._fold()
        sums, weights = torch.tensor([self._sums, self._weights], dtype=torch.float64)
        return MeterState(sums, weights, self._correct, self._counted, self._seen)

    @classmethod
    def from_state(cls, state: MeterState, weights: LabelWeights | None = None) -> Meter:
        """Returns a meter that goes on from what `state` returned."""
        meter = cls(weights)
        meter._sums, meter._weights = state.sums.tolist(), state.weights.tolist()
        meter._correct, meter._counted, meter._seen = state.correct, state.counted, state.seen
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
        """Returns mean loss and accuracy over all batches so far; nan for both if none counts."""
        self._fold()
        weight = math.fsum(self._weights)
        return Metrics(
            loss=_exact_sum(self._sums) / weight if weight else math.nan,
            accuracy=self._correct / self._counted if self._counted else math.nan,
            count=self._counted,
        )

    def _fold(self) -> None:
        if not self._losses:
            return
        sizes = [len(logits) for logits in self._logits]
        losses = torch.stack(self._losses).to("cpu", torch.float64)
        labels = torch.cat(self._labels)
        weights = self._label_weights.of_batches(labels, sizes)
        counted = self._label_weights.counted(labels)
        right = torch.cat(self._logits).argmax(dim=1) == class_indices(labels)
        nothing = losses.isnan() & (weights == 0)  # the mean of nothing is 0 / 0
        self._sums += torch.where(nothing, 0.0, losses * weights).tolist()
        self._weights += weights.tolist()
        self._correct += int((right & counted).sum())
        self._counted += int(counted.sum())
        self._seen += len(labels)
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
