"""The hot path: one training step, and one pass that only looks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from fmnistlab.data.batch import Batch, BatchSource
from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Float, Shaped
from fmnistlab.training.device_memory import named_memory_errors
from fmnistlab.training.meter import Meter
from fmnistlab.training.metrics import Metrics
from fmnistlab.training.optimizer_step import optimizer_step
from fmnistlab.training.predictions import Predictions
from fmnistlab.training.recipe import LossFunction


def do_nothing() -> None:
    """Stands where something could be done."""


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

    @property
    def schedule(self) -> LRScheduler | None:
        """What moves the learning rate after each step, or None."""
        return self._schedule

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

    def epoch(
        self,
        training: BatchSource,
        epoch: int,
        *,
        lasting: bool,
        start: int = 0,
        ready: Callable[[], object] = do_nothing,
    ) -> Iterator[StepResult]:
        """Makes the steps of an epoch and yields the result of each.

        Args:
            training: on the model's device.
            epoch: number of the epoch, from 1.
            lasting: whether results are needed longer than the epoch.
            start: steps at the beginning that were made already, in an earlier process.
            ready: called when their batches are behind and before the next one is fetched.
        """
        batches = training.training_batches(epoch, start)
        ready()
        for batch in batches:
            loss, logits = self(batch)
            yield StepResult(loss, logits, batch.labels)

    def prepare(self, batch: Batch) -> None:
        """Lays out everything as steps like this need it, without making one.

        A fit that is resumed after the last step of an epoch validates first, and the layout of
        weights may decide about the last bits of that.
        """

    def sum_of_weights(self) -> float:
        """Returns the sum of all weights that learn, which is finite if each of them is."""
        with torch.no_grad():
            return float(sum(parameter.sum() for parameter in self._parameters))

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


def evaluate_source(
    model: nn.Module, source: BatchSource, loss: LossFunction, device: torch.device
) -> Metrics:
    """Returns mean loss and accuracy over all items of a source, each exactly once.

    Args:
        model: on the device.
        source: likewise.
        loss: mean loss of a batch.
        device: for messages.

    Raises:
        ConfigurationError: a DataLoader leaves items out.
        DeviceMemoryError: the device has too little memory.
    """
    with named_memory_errors(device, "evaluating"):
        metrics = evaluate(model, source.evaluation_batches(), loss)
    if source.count is not None and metrics.count != source.count:
        raise ConfigurationError(
            f"Only {metrics.count} of {source.count} items were measured, so the result would "
            "not be the data set's. Use a DataLoader with drop_last=False."
        )
    return metrics


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
