"""Whether a loss can be learned from and reported: tried on a few images before the first step."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterator, Mapping
from types import CellType, FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.global_random import isolated_randomness
from fmnistlab.foundation.logger import get_logger
from fmnistlab.shapes import Float, Shaped
from fmnistlab.training.recipes.loss_weights import LabelWeights, label_weights, loss_name, own_loss
from fmnistlab.training.recipes.recipe import LossFunction

_logger = get_logger(__name__)


def check_loss(
    loss: LossFunction,
    model: nn.Module,
    scores: Float[Tensor, "batch classes"],
    labels: Shaped[Tensor, "batch ..."],
) -> None:
    """Tries a loss on a model's scores for a few images.

    A copy of it is called a few times, so that what it counts or keeps stays as it is, unless it
    cannot be copied or keeps it in global variables. If the mean of all images is not the mean that
    its parts give, a line in the log says so, as the loss that an epoch reports then depends on the
    size of the batches.

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
    own_buffers = _own_buffers(loss, model)
    weights = label_weights(loss)
    loss = _copied(loss, model)
    with isolated_randomness(0, scores.device), torch.enable_grad():
        before = _buffers(loss)
        value = _tried(loss, leaf, labels)
        _check_buffers(loss, {name: before[name] for name in own_buffers})
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
        if not _adds_up(loss, weights, leaf, labels, value):
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


def _copied(loss: LossFunction, model: nn.Module) -> LossFunction:
    """Returns a loss with the same parameters and copies of all else; itself if it has no copy."""
    inner: Any = own_loss(loss)
    if inner is cross_entropy:
        return loss
    shared: dict[int, Any] = {id(parameter): parameter for parameter in _parameters(inner, model)}
    try:
        copied: LossFunction = _copy(inner, shared)
    except Exception:  # noqa: BLE001 - generators, files and the like have no copies
        return inner  # type: ignore[no-any-return] # a loss
    return copied


def _copy(value: Any, shared: dict[int, Any]) -> Any:
    """Returns a deep copy, also of what functions hold."""
    if isinstance(value, functools.partial):
        arguments = copy.deepcopy((value.args, value.keywords), shared)
        return functools.partial(_copy(value.func, shared), *arguments[0], **arguments[1])
    if not isinstance(value, FunctionType) or not value.__closure__:
        return copy.deepcopy(value, shared)
    cells = [CellType(_copy(cell.cell_contents, shared)) for cell in value.__closure__]
    function = FunctionType(
        value.__code__, value.__globals__, value.__name__, value.__defaults__, tuple(cells)
    )
    function.__kwdefaults__, function.__qualname__ = value.__kwdefaults__, value.__qualname__
    return function


def _parameters(inner: object, model: nn.Module) -> Iterator[nn.Parameter]:
    yield from model.parameters()
    if isinstance(inner, nn.Module):
        yield from inner.parameters()


def _buffers(loss: LossFunction) -> dict[str, Tensor]:
    """Returns copies of a module's buffers, by name."""
    module: object = own_loss(loss)
    named = module.named_buffers() if isinstance(module, nn.Module) else ()
    return {name: buffer.clone() for name, buffer in named}


def _own_buffers(loss: LossFunction, model: nn.Module) -> list[str]:
    """Returns the names of buffers that are not the model's."""
    module: object = own_loss(loss)
    named = module.named_buffers() if isinstance(module, nn.Module) else ()
    saved = {id(buffer) for buffer in model.buffers()}
    return [name for name, buffer in named if id(buffer) not in saved]


def _check_buffers(loss: LossFunction, before: Mapping[str, Tensor]) -> None:
    """Checks that buffers are what they were."""
    after = _buffers(loss)
    for name, content in before.items():
        if name not in after or not torch.equal(after[name], content):
            raise ConfigurationError(
                f"The loss {loss_name(loss)} changes its buffer {name!r} when it is called, which "
                "no checkpoint of the model would hold. Make the loss a part of the model, as by "
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


def _adds_up(
    loss: LossFunction, weights: LabelWeights, scores: Tensor, labels: Tensor, value: Tensor
) -> bool:
    """Returns whether the mean of a batch is that of two parts of it, wherever it is cut."""
    count = len(scores)
    for cut in {count // 3, count // 2} - {0}:
        sizes = [cut, count - cut]
        shares = weights.of_batches(labels, sizes)
        try:
            losses = [
                float(loss(*part))
                for part in zip(torch.split(scores, sizes), torch.split(labels, sizes), strict=True)
            ]
        except Exception:  # noqa: BLE001 - it is none of parts of this size
            return False
        terms = [one * w for one, w in zip(losses, shares.tolist(), strict=True) if w]
        mean = sum(terms) / float(shares.sum()) if terms else math.nan
        size = max(map(abs, [*losses, float(value)]))
        if math.isnan(mean) != math.isnan(float(value)):
            return False
        if abs(mean - float(value)) > _tolerance(value) * max(size, 1e-3):
            return False
    return True


def _tolerance(value: Tensor) -> float:
    """Returns how far apart two means may be that are equal but for rounding, relatively."""
    return max(1e-4, 100 * torch.finfo(value.dtype).eps)
