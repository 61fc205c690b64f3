"""Which memory layout a model runs in, decided by trying."""

from __future__ import annotations

import copy

import torch
from torch import nn

from fmnistlab.data.batch import Batch
from fmnistlab.foundation.logger import get_logger
from fmnistlab.training.evaluation import check_output, evaluation_mode

_logger = get_logger(__name__)


def prepare_model(model: nn.Module, example: Batch) -> None:
    """Checks the model's output on a few images and moves its weights to the best layout.

    A model with convolutions over images runs faster on the CPU with channels last: max-pooling of
    the tutorial's CNN is six times as fast (measured with torch 2.13). Some models cannot live
    with it, for instance those that call `.view` on a convolution's output; they stay as they are.

    Args:
        model: on the device of `example`; mode, buffers and random state stay as they were.
        example: some images and labels.

    Raises:
        ModelOutputError: the output is not one row of scores for each image, one score for each
            class that the example's labels show.
    """
    images = example.images
    one_hot = example.labels.ndim == 2
    classes = example.labels.shape[1] if one_hot else int(example.labels.max()) + 1
    with evaluation_mode(model), torch.no_grad():
        plain = model(images)
        check_output(plain, len(images), classes, type(model).__name__)
        if not any(isinstance(module, nn.Conv2d) for module in model.modules()):
            return
        try:
            # The trial runs on a copy, so that a failure half-way leaves the model untouched.
            trial = copy.deepcopy(model)
            _lay_channels_last(trial)
            same = torch.allclose(trial(images), plain, rtol=1e-3, atol=1e-4)
        except Exception as error:  # noqa: BLE001 - whatever it is, the model stays as it works
            _logger.debug("%s stays in the default layout: %s", type(model).__name__, error)
            return
    if same:
        _lay_channels_last(model)
    else:
        _logger.debug("%s stays in the default layout: outputs differ", type(model).__name__)


def _lay_channels_last(model: nn.Module) -> None:
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # the stub lacks it
