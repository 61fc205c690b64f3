"""One pass that learns nothing: loss, accuracy, predictions."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Final

import torch
from torch import Tensor, nn

from fmnistlab.data.batch import Batch, BatchSource
from fmnistlab.errors import ConfigurationError, ModelOutputError
from fmnistlab.training.device import named_memory_errors
from fmnistlab.training.extra_metrics.chosen import ExtraMetrics
from fmnistlab.training.recipes.loss_weights import label_weights
from fmnistlab.training.recipes.recipe import LossFunction
from fmnistlab.training.records.meter import Meter, class_indices
from fmnistlab.training.records.metrics import Metrics
from fmnistlab.training.records.predictions import Predictions

_NO_EXTRA: Final = ExtraMetrics()
_LEAST_DIMENSIONS: Final = 3  # batch, height, width


def evaluate(model: nn.Module, batches: Iterable[Batch], loss: LossFunction) -> Metrics:
    """Returns mean loss and accuracy over all batches, however they were cut; learns nothing."""
    return _measured(model, batches, loss, _NO_EXTRA, average_flips=False)[0].metrics()


def _measured(
    model: nn.Module,
    batches: Iterable[Batch],
    loss: LossFunction,
    extra: ExtraMetrics,
    *,
    average_flips: bool,
) -> tuple[Meter, dict[str, float]]:
    """Returns a meter with all batches, and the extra metrics of all images that count."""
    weights = label_weights(loss)
    meter = Meter(weights)
    scores: list[Tensor] = []
    labels: list[Tensor] = []
    with evaluation_mode(model), torch.no_grad():
        for batch in batches:
            logits = _logits(model, batch.images, average_flips=average_flips)
            meter.add(loss(logits, batch.labels), logits, batch.labels)
            if extra:
                counted = weights.counted(batch.labels)
                scores.append(logits[counted])
                labels.append(class_indices(batch.labels)[counted])
    return meter, extra.measure(scores, labels)


def _logits(model: nn.Module, images: Tensor, *, average_flips: bool) -> Tensor:
    """Returns the class scores of images, or their means with those of the mirrored images.

    Scores before softmax are averaged, as K. Jordan does in "94% on CIFAR-10 in 3.29 seconds on a
    single GPU" (arXiv 2404.00498).

    Raises:
        ConfigurationError: the images are rows of numbers, which have no mirror image.
    """
    logits: Tensor = model(images)
    if not average_flips:
        return logits
    if images.ndim < _LEAST_DIMENSIONS:
        raise ConfigurationError(
            "average_flips mirrors images along their last dimension, from left to right, but here "
            f"an image has the shape {tuple(images.shape[1:])}. Give images (channels, height, "
            "width), and let the model flatten them."
        )
    mirrored: Tensor = model(images.flip(-1))
    return (logits + mirrored) / 2


def evaluate_source(
    model: nn.Module,
    source: BatchSource,
    loss: LossFunction,
    device: torch.device,
    *,
    extra: ExtraMetrics = _NO_EXTRA,
    average_flips: bool = False,
) -> Metrics:
    """Returns mean loss, accuracy and extra metrics of all items of a source, each exactly once.

    Args:
        model: on the device.
        source: likewise.
        loss: mean loss of a batch.
        device: for messages.
        extra: what is measured besides loss and accuracy.
        average_flips: average the scores of each image with those of its mirror image.

    Raises:
        ConfigurationError: a DataLoader leaves items out; an extra metric fails or gives no number;
            images cannot be mirrored.
        DeviceMemoryError: the device has too little memory.
    """
    with named_memory_errors(device, "evaluating"):
        meter, measured = _measured(
            *(model, source.evaluation_batches(), loss, extra), average_flips=average_flips
        )
    if source.count is not None and meter.seen != source.count:
        raise ConfigurationError(
            f"{meter.seen} images were measured, but the data has {source.count}, so the result "
            "would not be the data's. With a DataLoader, use drop_last=False."
        )
    return dataclasses.replace(meter.metrics(), extra=measured, average_flips=average_flips)


def predict(
    model: nn.Module, batches: Iterable[Batch], *, average_flips: bool = False
) -> Predictions:
    """Returns labels and probabilities for all images, in the order of the batches, on the CPU.

    Args:
        model: on the device.
        batches: likewise.
        average_flips: average the scores of each image with those of its mirror image.

    Raises:
        ConfigurationError: images cannot be mirrored.
    """
    with evaluation_mode(model), torch.no_grad():
        scores = (_logits(model, batch.images, average_flips=average_flips) for batch in batches)
        probabilities = [torch.softmax(logits, dim=1).cpu() for logits in scores]
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
