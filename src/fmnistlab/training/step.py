"""The hot path: one training step, and one pass that only looks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from fmnistlab.data.batches import Batch, BatchSource
from fmnistlab.shapes import Float, Shaped
from fmnistlab.training.meter import Meter
from fmnistlab.training.metrics import Metrics
from fmnistlab.training.optimizer_step import optimizer_step
from fmnistlab.training.predictions import Predictions
from fmnistlab.training.recipe import LossFunction


class StepResult(NamedTuple):
    """What a training step gave; on the device, detached, not changed by later steps.

    Attributes:
        loss: mean loss of the batch before the step.
        logits: class scores before the step.
        labels: int64 (batch,), or float32 (batch, classes) if they are one-hot.
    """

    loss: Float[Tensor, ""]
    logits: Float[Tensor, "batch classes"]
    labels: Shaped[Tensor, "batch ..."]


class TrainingStep:
    """One step of gradient descent: forward, loss, backward, optimizer, schedule.

    Args:
        model: in training mode, on the device, in its final layout.
        optimizer: made from the model's parameters as they are now.
        loss: mean loss of a batch.
        schedule: moves the learning rate after each step, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: LossFunction,
        schedule: LRScheduler | None,
    ) -> None:
        self._model = model
        self._loss = loss
        self._schedule = schedule
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._update: Callable[[], object] = optimizer_step(optimizer)

    def __call__(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "batch classes"]]:
        """Makes the step.

        Args:
            batch: images and labels on the model's device.

        Returns:
            The mean loss before the step and the logits, detached, still on the device.
        """
        for parameter in self._parameters:
            parameter.grad = None
        logits: Tensor = self._model(batch.images)
        loss = self._loss(logits, batch.labels)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        self._update()
        if self._schedule is not None:
            self._schedule.step()
        return loss.detach(), logits.detach()

    def epoch(self, training: BatchSource, epoch: int, *, lasting: bool) -> Iterator[StepResult]:
        """Makes the steps of an epoch and yields the result of each.

        Args:
            training: on the model's device.
            epoch: number of the epoch, from 1.
            lasting: whether results are needed longer than the epoch.
        """
        for batch in training.training_batches(epoch):
            loss, logits = self(batch)
            yield StepResult(loss, logits, batch.labels)

    def refresh(self) -> None:
        """Looks whether a callback changed the model in a way that matters to how steps are made.

        The trainer calls it after callbacks had their turn. Steps that run the model as it is need
        not look.
        """

    def close(self) -> None:
        """Ends the work; model and optimizer are left as anybody would expect them."""


def evaluate(model: nn.Module, batches: Iterable[Batch], loss: LossFunction) -> Metrics:
    """Returns mean loss and accuracy over all batches, weighted by image; learns nothing."""
    meter = Meter()
    with evaluation_mode(model), torch.inference_mode():
        for batch in batches:
            logits: Tensor = model(batch.images)
            meter.add(loss(logits, batch.labels), logits, batch.labels)
    return meter.metrics()


def predict(model: nn.Module, batches: Iterable[Batch]) -> Predictions:
    """Returns labels and probabilities for all images, in the order of the batches, on the CPU."""
    with evaluation_mode(model), torch.inference_mode():
        probabilities = [torch.softmax(model(batch.images), dim=1).cpu() for batch in batches]
    joined = torch.cat(probabilities).to(torch.float32).clone()
    return Predictions(labels=joined.argmax(dim=1), probabilities=joined)


@contextlib.contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Puts the model into evaluation mode and every part of it back afterwards, in any case."""
    with kept_modes(model):
        model.eval()
        yield


@contextlib.contextmanager
def kept_modes(model: nn.Module) -> Iterator[None]:
    """Restores the training flag of every submodule when the block ends, also by an error."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
