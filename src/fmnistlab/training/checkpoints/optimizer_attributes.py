"""What an optimizer keeps beside its `state_dict`, which no checkpoint would hold."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import torch
from torch import Tensor

from fmnistlab.foundation.logger import get_logger

_logger = get_logger(__name__)

_DEEPEST: Final = 3


class AttributeWatch:
    """Warns of attributes that an optimizer's own step fills or changes.

    Torch's optimizers keep all of it in `state` and `param_groups`, which `state_dict` returns. One
    that counts steps or averages gradients in attributes works as long as a training is not
    interrupted; a resumed one would begin them anew.

    Args:
        optimizer: before its step.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._before = _kept(optimizer)

    def after_step(self) -> None:
        """Logs which attributes are others now."""
        after = _kept(self._optimizer)
        changed = [name for name, content in after.items() if self._before.get(name) != content]
        if changed:
            _logger.warning(
                "the optimizer %s keeps %s in attributes that its state_dict() does not return: a "
                "training that is resumed begins with new ones, and has other bits",
                type(self._optimizer).__name__,
                ", ".join(changed),
            )


def _kept(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Returns numbers in attributes, by name, and of tensors a hash of their content."""
    kind = type(optimizer)
    own_state = kind.state_dict is not torch.optim.Optimizer.state_dict  # which may return them
    if own_state or kind.__module__.startswith("torch.optim."):
        return {}
    parameters = {id(p) for group in optimizer.param_groups for p in group["params"]}
    names = vars(optimizer).keys() - _OF_TORCH
    found = {name: _content(getattr(optimizer, name), parameters) for name in sorted(names)}
    return {name: content for name, content in found.items() if content not in (None, ())}


def _content(value: object, left_out: set[int], depth: int = 0) -> Any:
    if isinstance(value, Tensor):
        dense = value.layout is torch.strided and not value.is_meta  # others have no content here
        return _digest(value) if dense and id(value) not in left_out else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        inner = (_content(each, left_out, depth + 1) for each in value)
        return tuple(each for each in inner if each not in (None, ()))
    return None


def _digest(tensor: Tensor) -> str:
    content = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return hashlib.sha256(content.data).hexdigest()


_OF_TORCH: Final = frozenset({"state", "param_groups", "defaults", "_step_count", "_opt_called"})
"""Attributes that torch's base class and its schedules set."""
