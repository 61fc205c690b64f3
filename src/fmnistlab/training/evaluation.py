"""One pass that learns nothing: loss, accuracy, predictions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from fmnistlab.data.batch import Batch, BatchSource
from fmnistlab.errors import ConfigurationError, ModelOutputError
from fmnistlab.training.device import named_memory_errors
from fmnistlab.training.recipes.loss_weights import label_weights
from fmnistlab.training.recipes.recipe import LossFunction
from fmnistlab.training.records.meter import Meter
from fmnistlab.training.records.metrics import Metrics
from fmnistlab.training.records.predictions import Predictions


def evaluate(model: nn.Module, batches: Iterable[Batch], loss: LossFunction) -> Metrics:
    """Returns mean loss and accuracy over all batches, however they were cut; learns nothing."""
    return _measured(model, batches, loss).metrics()


def _measured(model: nn.Module, batches: Iterable[Batch], loss: LossFunction) -> Meter:
    meter = Meter(label_weights(loss))
    with evaluation_mode(model), torch.inference_mode():
        for batch in batches:
            logits: Tensor = model(batch.images)
            meter.add(loss(logits, batch.labels), logits, batch.labels)
    return meter


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
        meter = _measured(model, source.evaluation_batches(), loss)
    if source.count is not None and meter.seen != source.count:
        raise ConfigurationError(
            f"{meter.seen} images were measured, but the data has {source.count}, so the result "
            "would not be the data's. With a DataLoader, use drop_last=False."
        )
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
    with preserve_modes(model):
        model.eval()
        yield


@contextlib.contextmanager
def preserve_modes(model: nn.Module) -> Iterator[None]:
    """Restores the training flag of every submodule after the block, even after an exception."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def check_output(logits: object, count: int, classes: int, name: str) -> None:
    """Checks that a model gave a float row of class scores for each image.

    Args:
        logits: what the model returned.
        count: number of images it was given.
        classes: least number of scores in a row.
        name: the model's, for the message.

    Raises:
        ModelOutputError: it did not.
    """
    if not isinstance(logits, Tensor):
        found = type(logits).__name__
    elif logits.ndim == 2 and logits.shape[0] == count and logits.shape[1] >= classes:
        if logits.is_floating_point():
            return
        found = f"numbers of type {logits.dtype}"
    else:
        found = f"shape {tuple(logits.shape)}"
    raise ModelOutputError(
        f"{name} gave {found} for {count} images; a model must return a float tensor of shape "
        f"({count}, {classes}): one score for each class, before softmax."
    )
