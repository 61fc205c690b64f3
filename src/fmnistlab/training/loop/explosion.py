"""Losses that are finite and yet absurd: a training that has exploded is told of in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from torch import Tensor

from fmnistlab.data.schema import NUM_CLASSES
from fmnistlab.foundation.logger import get_logger
from fmnistlab.training.records.epoch_record import EpochRecord

_logger = get_logger(__name__)

LIMIT_FACTOR: Final = 10.0
"""How many times the loss at the start a loss must exceed to count as exploded."""

GUESSING_LOSS: Final = math.log(NUM_CLASSES)
"""Cross-entropy of a model that gives all classes the same probability, 2.30 nats."""


def exploded(loss: float, *, start: float, first_epoch: float | None = None) -> bool:
    """Returns whether a mean loss is absurd against the start of its fit.

    That is a loss above `LIMIT_FACTOR` times the largest of `start`, `first_epoch` and
    `GUESSING_LOSS`. The last of these makes up for a start that is very good, as that of a model
    which is trained on: nothing is said as long as the loss is not far worse than guessing.

    Args:
        loss: mean training or validation loss of an epoch.
        start: mean loss of the first batch of the fit.
        first_epoch: mean training loss of the fit's first epoch, if `loss` is of a later one.
    """
    begun = start if first_epoch is None else max(start, first_epoch)
    return loss > LIMIT_FACTOR * max(begun, GUESSING_LOSS)


class ExplosionWatch:
    """Warns once in a fit of each kind of loss, training and validation, that has exploded.

    What it knows follows from the loss at the start and the finished epochs, so a resumed fit
    warns of what the same fit in one go would have warned of, and repeats nothing.

    Args:
        start: loss of the fit's first batch; None if the fit begins.
        finished: epochs of this fit that an earlier process has finished and judged.
        name: whose training it is, put in front of each warning, such as "seed 3: ".
    """

    def __init__(
        self, start: float | None = None, finished: Iterable[EpochRecord] = (), *, name: str = ""
    ) -> None:
        self._start = start
        self._first_epoch: float | None = None
        self._known: set[str] = set()
        self._name = name
        for record in finished:
            self._judge(record)

    @property
    def start(self) -> float | None:
        """Mean loss of the fit's first batch, or None before it."""
        return self._start

    def after_step(self, loss: Tensor) -> None:
        """Notes the loss of the first step of the fit; of later ones nothing is read.

        Args:
            loss: mean loss of the batch, 0-dim; one that is not finite is passed over, because
                the fit is about to end by it.
        """
        if self._start is None and math.isfinite(loss):
            self._start = float(loss)

    def after_epoch(self, record: EpochRecord) -> None:
        """Warns, if a loss of this epoch is the first of its kind that has exploded."""
        for kind, loss in self._judge(record):
            _logger.warning(
                "%sepoch %d: the mean %s loss is %.4g, after %.4g in the first batch, at learning "
                "rate %g. The training has exploded: try a smaller learning rate, and check the "
                "images for values that are far too large.",
                self._name,
                record.epoch,
                kind,
                loss,
                self._start,
                record.learning_rate,
            )

    def _judge(self, record: EpochRecord) -> list[tuple[str, float]]:
        """Returns kind and value of the losses that have exploded now, and not before."""
        if self._start is None:
            return []
        losses = {"training": record.loss, "validation": record.val_loss}
        found = [
            (kind, loss)
            for kind, loss in losses.items()
            if loss is not None
            and kind not in self._known
            and exploded(loss, start=self._start, first_epoch=self._first_epoch)
        ]
        self._known |= {kind for kind, _ in found}
        if self._first_epoch is None:
            self._first_epoch = record.loss
        return found
