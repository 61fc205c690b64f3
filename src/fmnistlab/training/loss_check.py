"""Whether a loss can be learned from and reported: tried on a few images before the first step."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from fmnistlab.errors import ConfigurationError
from fmnistlab.global_random import isolated_randomness
from fmnistlab.logger import get_logger
from fmnistlab.shapes import Float, Shaped
from fmnistlab.training.loss_weights import label_weights, loss_name
from fmnistlab.training.recipe import LossFunction, own_loss

_logger = get_logger(__name__)


def check_loss(
    loss: LossFunction,
    model: nn.Module,
    scores: Float[Tensor, "batch classes"],
    labels: Shaped[Tensor, "batch ..."],
) -> None:
    """Tries a loss on a model's scores for a few images.

    It is called a few times; random generators, and buffers of a loss that is a module, are put
    back. If the mean of all images is not the mean that its parts give, a line in the log says so,
    as the loss that an epoch reports then depends on the size of the batches.

    Args:
        loss: a recipe's, or any other.
        model: whose scores they are.
        scores: for some images.
        labels: of these images.

    Raises:
        ConfigurationError: the loss fails, is no mean, has no gradient, or has parameters that
            learn or buffers that change, which are not the model's.
    """
    leaf = scores.detach().clone().requires_grad_()
    with isolated_randomness(0, scores.device), torch.enable_grad():
        with _unchanging_buffers(loss, model):
            value = _tried(loss, leaf, labels)
        _check_leaves(loss, value, leaf, model)
    with isolated_randomness(0, scores.device), torch.no_grad():
        mean = float(value)
        doubled = [torch.cat([part, part]) for part in (leaf, labels)]
        twice = float(_tried(loss, *doubled))
        if mean and math.isclose(twice, 2 * mean, rel_tol=_tolerance(value)):
            raise ConfigurationError(
                f"The loss {loss_name(loss)} adds up over the images of a batch, but it must be "
                'their mean, so that it means the same in any batch. Use reduction="mean".'
            )
        if not _adds_up(loss, leaf, labels, value):
            _logger.warning(
                "the loss %s of a batch is not the mean of its parts, so the loss reported for a "
                "data set depends on how it is cut into batches; class weights are understood in "
                "torch.nn.CrossEntropyLoss(weight=...) and functools.partial(cross_entropy, "
                "weight=...)",
                loss_name(loss),
            )


def _tried(loss: LossFunction, scores: Tensor, labels: Tensor) -> Tensor:
    """Returns the loss, a 0-dim tensor of floats."""
    name = loss_name(loss)
    given = (
        f"scores {scores.dtype} {tuple(scores.shape)} and labels {labels.dtype} "
        f"{tuple(labels.shape)}"
    )
    try:
        value: Any = loss(scores, labels)
    except Exception as error:
        raise ConfigurationError(f"The loss {name} fails for {given}: {error}") from error
    if isinstance(value, Tensor) and value.ndim == 0 and value.is_floating_point():
        return value
    found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    raise ConfigurationError(
        f"The loss {name} gives {found} for {given}, but it must be the mean over the batch, a "
        'tensor of one float and no dimension. Use reduction="mean".'
    )


@contextlib.contextmanager
def _unchanging_buffers(loss: LossFunction, model: nn.Module) -> Iterator[None]:
    """Puts buffers of a loss back that are not the model's.

    Raises:
        ConfigurationError: one of them was changed in the block.
    """
    module: object = own_loss(loss)
    named = dict(module.named_buffers()) if isinstance(module, nn.Module) else {}
    learned = {id(buffer) for buffer in model.buffers()}
    before = {
        name: (buffer, buffer.clone())
        for name, buffer in named.items()
        if id(buffer) not in learned
    }
    yield
    after = dict(module.named_buffers()) if isinstance(module, nn.Module) else {}
    for name, (buffer, content) in before.items():
        now = after.get(name)
        if now is buffer and torch.equal(buffer, content):
            continue
        buffer.copy_(content)
        raise ConfigurationError(
            f"The loss {loss_name(loss)} changes its buffer {name!r} when it is called, which no "
            "checkpoint of the model would hold. Make the loss a part of the model, as by "
            "model.loss = loss; then it is saved with it."
        )


def _check_leaves(loss: LossFunction, value: Tensor, scores: Tensor, model: nn.Module) -> None:
    """Checks that a loss has a gradient for the scores, and else only for the model's weights."""
    leaves = list(_leaves(value))
    if not any(leaf is scores for leaf in leaves):
        raise ConfigurationError(
            f"The loss {loss_name(loss)} has no gradient for the model's scores: it computes with "
            "something that has none, such as argmax, .item() or .detach()."
        )
    known = {id(scores), *(id(parameter) for parameter in model.parameters())}
    strange = [tuple(leaf.shape) for leaf in leaves if id(leaf) not in known]
    if strange:
        shapes = ", ".join(map(str, strange))
        raise ConfigurationError(
            f"The loss {loss_name(loss)} has parameters of its own, of shape {shapes}, which would "
            "be neither trained nor saved. Make the loss a part of the model, as by "
            "model.loss = loss; then its parameters are the model's."
        )


def _leaves(value: Tensor) -> Iterator[Tensor]:
    """Yields all tensors that a value was computed from and that would get a gradient."""
    waiting, known = [value.grad_fn], set()
    while waiting:
        node: Any = waiting.pop()
        if node is None or node in known:
            continue
        known.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        waiting += [following for following, _ in node.next_functions]


def _adds_up(loss: LossFunction, scores: Tensor, labels: Tensor, value: Tensor) -> bool:
    """Returns whether the mean of a batch is that of two parts of it, wherever it is cut."""
    count = len(scores)
    for cut in {count // 3, count // 2} - {0}:
        sizes = [cut, count - cut]
        weights = label_weights(loss).of_batches(labels, sizes)
        try:
            losses = [
                float(loss(*part))
                for part in zip(torch.split(scores, sizes), torch.split(labels, sizes), strict=True)
            ]
        except Exception:  # noqa: BLE001 - it is none of parts of this size
            return False
        terms = [one * w for one, w in zip(losses, weights.tolist(), strict=True) if w]
        mean = sum(terms) / float(weights.sum()) if terms else math.nan
        size = max(map(abs, [*losses, float(value)]))
        if math.isnan(mean) != math.isnan(float(value)):
            return False
        if abs(mean - float(value)) > _tolerance(value) * max(size, 1e-3):
            return False
    return True


def _tolerance(value: Tensor) -> float:
    """Returns how far apart two means may be that are equal but for rounding, relatively."""
    return max(1e-4, 100 * torch.finfo(value.dtype).eps)
