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
    So do those with a convolution that could corrupt memory there, see `_unsafe_channels_last`.

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
        unsafe = _unsafe_channels_last(model)
        if unsafe is not None:
            _logger.debug("%s stays in the default layout: %s", type(model).__name__, unsafe)
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


def _unsafe_channels_last(model: nn.Module) -> str | None:
    """Returns which weight must not be laid channels last, in words, or None.

    The gradient of the weights of a 1 x 1 convolution with a stride above 1 and few input channels
    is written beyond its memory there: https://github.com/uxlfoundation/oneDNN/issues/6035, open.
    With torch 2.13 on an AMD EPYC of family 25, which has AVX2 and no AVX-512, 2 to 7 channels were
    found to do so, and 1 and from 8 on not; the default layout is safe. The limit here is the 16
    channels that AVX-512 takes at once. It does not ask for the processor, so that a model is laid
    out in the same way on all of them.
    """
    for name, owner in model.named_modules():
        for weight_name, weight in owner.named_parameters(name, recurse=False):
            if weight.ndim != 4 or weight.shape[2:] != (1, 1) or not 1 < weight.shape[1] < 16:
                continue
            if not isinstance(owner, nn.Conv2d) or max(owner.stride) > 1:
                return f"torch may corrupt memory with {weight_name}, a small strided convolution"
    return None
