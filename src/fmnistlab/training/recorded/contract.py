"""The contract under which a step may be recorded, and what a recording takes for granted.

- Every module of the model is one of torch's own layers, or the class that defines its `forward`
  says `recordable = True`, and so promises that `forward` asks torch for the same operations each
  time and does nothing else that counts. Likewise the loss.
- The optimizer is torch's Adam, AdamW or SGD with one group, fused, without special options.
- Nobody has hooks, and nobody watches torch's operations.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable

import torch
from torch import Tensor, nn

from fmnistlab.training.recipe import LossFunction, own_loss
from fmnistlab.training.recorded.internals import fused_updates, hooked, is_watched

_ORDINARY = {
    "amsgrad": False,
    "capturable": False,
    "dampening": 0,
    "differentiable": False,
    "foreach": None,
    "fused": True,
}
"""Settings of a parameter group that must be so, where the optimizer has them."""


def objection(model: nn.Module, optimizer: torch.optim.Optimizer, loss: LossFunction) -> str | None:
    """Returns why the steps of this model must not be recorded, in words, or None."""
    return (
        _of_model(model)
        or _of_loss(own_loss(loss))
        or _of_optimizer(model, optimizer)
        or hooked(model, optimizer)
        or _of_surroundings()
    )


def taken_for_granted(model: nn.Module, loss: LossFunction) -> tuple[Hashable, ...]:
    """Returns all that a recording holds on to; if some of it is another, record again.

    These are the modules with their modes and plain attributes, and the identity and place of every
    parameter and buffer. Their contents are read anew in each replay.
    """
    facts: list[Hashable] = []
    for module in _modules(model, own_loss(loss)):
        facts += [id(module), module.training]
        for name, value in vars(module).items():
            plain = _plain(value)
            if plain is not None:
                facts.append((name, plain))
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            facts.append((id(tensor), tensor.data_ptr(), tensor.stride(), tensor.requires_grad))
    return tuple(facts)


def _plain(value: object) -> Hashable:
    """Returns an attribute that has a value, as something to compare, or None if it has none."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return tuple(_plain(item) for item in value)
    if isinstance(value, Tensor):
        return id(value)
    return None


def _modules(model: nn.Module, loss: object) -> Iterable[nn.Module]:
    yield from model.modules()
    if isinstance(loss, nn.Module):
        yield from loss.modules()


def _of_model(model: nn.Module) -> str | None:
    for module in model.modules():
        reason = _of_module(module)
        if reason is not None:
            return reason
    for name, parameter in model.named_parameters():
        ordinary = type(parameter) is nn.Parameter and parameter.layout == torch.strided
        if not ordinary or parameter.dtype != torch.float32:
            return f"the parameter {name} is not an ordinary float32 tensor"
    tensors = [*model.parameters(), *model.buffers()]
    if len({tensor.untyped_storage().data_ptr() for tensor in tensors}) < len(tensors):
        return "parameters or buffers share memory"
    return None


def _of_module(module: nn.Module) -> str | None:
    kind = type(module)
    if "forward" in vars(module) or kind.__call__ is not nn.Module.__call__:
        return f"the forward method of {kind.__name__} was replaced"
    own = next(base for base in kind.__mro__ if "forward" in vars(base))
    if vars(own).get("recordable", False) is True or _is_layer(own):
        return None
    return f"{own.__name__} does not say recordable = True"


def _of_loss(loss: object) -> str | None:
    if isinstance(loss, nn.Module):
        return _of_module(loss)
    if getattr(loss, "__module__", None) == "torch.nn.functional":
        return None
    if getattr(loss, "recordable", False) is True:
        return None
    name = getattr(loss, "__qualname__", type(loss).__name__)
    return f"the loss {name} does not say recordable = True"


def _of_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer) -> str | None:
    name = type(optimizer).__name__
    if type(optimizer) not in fused_updates():
        return f"{name} is not torch's Adam, AdamW or SGD"
    if "step" in vars(optimizer) and not hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return f"the step method of {name} was replaced"
    if len(optimizer.param_groups) != 1:
        return f"{name} has {len(optimizer.param_groups)} parameter groups"
    group = optimizer.param_groups[0]
    unusual = [
        f"{s}={group[s]!r}" for s, value in _ORDINARY.items() if group.get(s, value) != value
    ]
    if unusual or isinstance(group["lr"], Tensor):
        return f"{name} has {', '.join(unusual) or 'a tensor as learning rate'}"
    return _of_parameters(model, optimizer, group["params"])


def _of_parameters(
    model: nn.Module, optimizer: torch.optim.Optimizer, given: list[nn.Parameter]
) -> str | None:
    learning = [p for p in given if p.requires_grad]
    if {id(p) for p in model.parameters() if p.requires_grad} != {id(p) for p in learning}:
        return "the optimizer has other parameters than those of the model that learn"
    if len({float(optimizer.state.get(p, {}).get("step", 0)) for p in learning}) > 1:
        return "parameters have made different numbers of steps"
    return None


def _of_surroundings() -> str | None:
    if torch.is_anomaly_enabled() or torch.is_autocast_enabled("cpu"):
        return "anomaly detection or autocast is on"
    return "torch's operations are watched" if is_watched() else None


def _is_layer(kind: type) -> bool:
    """Returns whether a class is one of torch's own layers, and not one that pretends to be."""
    home = kind.__module__
    if not home.startswith("torch.nn.modules."):
        return False
    return getattr(sys.modules[home], kind.__name__, None) is kind
