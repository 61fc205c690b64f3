"""The contract under which a step may be recorded, and what a recording takes for granted.

- Every module of the model is one of torch's own layers, or its class says `recordable = True`: its
  `forward` asks torch for the same operations each time, does nothing else that counts, and reads
  only its arguments, tensors, and attributes that are numbers, texts, functions, or lists and
  dictionaries of these. A class that adds methods to such a one must say it again. Likewise the
  loss.
- The optimizer is torch's Adam, AdamW or SGD with one group, fused, without special options.
- There are no hooks, and no mode or profiler watches torch's operations.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Hashable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from fmnistlab.training.recipes.loss_weights import own_loss
from fmnistlab.training.recipes.recipe import LossFunction
from fmnistlab.training.steps.recorded.internals import (
    fused_updates,
    hooked,
    is_watched,
    steps_as_its_class,
    tree_leaves,
)

_ORDINARY = {
    "amsgrad": False,
    "capturable": False,
    "dampening": 0,
    "differentiable": False,
    "foreach": None,
    "fused": True,
}
"""Settings of a parameter group that must be so, where the optimizer has them."""

_HARMLESS = {"__init__", "__repr__", "extra_repr", "__annotate__", "__annotate_func__"}
"""What a class may define without having to say that it is recordable."""


def objection(model: nn.Module, optimizer: torch.optim.Optimizer, loss: LossFunction) -> str | None:
    """Returns why the steps of this model must not be recorded, in words, or None."""
    taking_part = parts(model, loss)
    modules = [part for part in taking_part if isinstance(part, nn.Module)]
    held = tensors(taking_part)
    return (
        next(filter(None, map(_of_module, modules)), None)
        or _of_loss(own_loss(loss))
        or _of_tensors(held)
        or _of_optimizer(optimizer)
        or _of_parameters(model, optimizer, held)
        or hooked(modules, optimizer)
        or _of_environment()
    )


def parts(model: nn.Module, loss: LossFunction) -> list[Any]:
    """Returns who takes part in a step, but for the optimizer: all modules, and the loss."""
    own = own_loss(loss)
    return [*model.modules(), *(own.modules() if isinstance(own, nn.Module) else [own])]


def tensors(taking_part: Iterable[Any]) -> list[Tensor]:
    """Returns every tensor that they hold, as parameter, buffer or other attribute, once."""
    held = (leaf for part in taking_part for leaf in tree_leaves(getattr(part, "__dict__", {})))
    return [*{id(leaf): leaf for leaf in held if isinstance(leaf, Tensor)}.values()]


def taken_for_granted(model: nn.Module, loss: LossFunction) -> Hashable:
    """Returns all that a recording holds on to; if some of it is another, record again.

    These are the modules with their modes and attributes, and the identity and place of every
    tensor. What tensors hold is read anew in each replay.
    """
    return tuple(
        _fact([getattr(part, "__dict__", None), *(dict(vars(kind)) for kind in _own_classes(part))])
        for part in parts(model, loss)
    )


def _fact(value: object) -> Hashable:
    """Returns what is to stay the same about an attribute, as something to compare."""
    if isinstance(value, Tensor):
        place = (value.data_ptr(), value.stride()) if value.layout == torch.strided else None
        return id(value), place, value.requires_grad
    if isinstance(value, dict):
        return tuple((name, _fact(item)) for name, item in value.items())
    if isinstance(value, tuple | list):
        return tuple(map(_fact, value))
    comparable = isinstance(value, float | int | str | type | nn.Module) or inspect.isroutine(value)
    return value if comparable else id(value)


def _own_classes(part: object) -> list[type]:
    """Returns the classes of an object that are not torch's or Python's own."""
    return [
        kind
        for kind in type(part).__mro__
        if kind.__module__ not in {"builtins", "typing"}
        and not _is_torchs(kind, "torch.nn.modules.")
    ]


def _of_module(module: nn.Module) -> str | None:
    kind = type(module)
    for name, value in vars(module).items():
        if callable(value) and callable(getattr(kind, name, None)):
            return f"the method {name} of {kind.__name__} was replaced"
    for own in _own_classes(module):
        if vars(own).get("recordable", False) is True:
            return None
        for name, value in vars(own).items():
            does = callable(value) or isinstance(value, property | classmethod)
            if does and name not in _HARMLESS:
                return f"{own.__name__} does not say recordable = True"
    return None


def _of_loss(loss: object) -> str | None:
    ours = isinstance(loss, nn.Module) or getattr(loss, "recordable", False) is True
    if ours or _is_torchs(loss, "torch.nn.functional"):
        return None
    name = getattr(loss, "__qualname__", type(loss).__name__)
    return f"the loss {name} does not say recordable = True"


def _of_tensors(held: list[Tensor]) -> str | None:
    for tensor in held:
        if type(tensor) not in {Tensor, nn.Parameter}:
            return f"a tensor is of the class {type(tensor).__name__}"
    places = [t.untyped_storage().data_ptr() for t in held if t.layout == torch.strided]
    places = [place for place in places if place != 0]  # what is empty has none
    return "parameters or other tensors share memory" if len({*places}) < len(places) else None


def _of_optimizer(optimizer: torch.optim.Optimizer) -> str | None:
    name = type(optimizer).__name__
    if type(optimizer) not in fused_updates():
        return f"{name} is not torch's Adam, AdamW or SGD"
    if not steps_as_its_class(optimizer):
        return f"the step method of {name} was replaced"
    if len(optimizer.param_groups) != 1:
        return f"{name} has {len(optimizer.param_groups)} parameter groups"
    group = optimizer.param_groups[0]
    ordinary = {**_ORDINARY, "decoupled_weight_decay": name == "AdamW"}
    if name == "SGD":  # a recipe's is not fused if it has momentum
        del ordinary["fused"]
    unusual = [f"{s}={group[s]!r}" for s, value in ordinary.items() if group.get(s, value) != value]
    if unusual or isinstance(group["lr"], Tensor):
        return f"{name} has {', '.join(unusual) or 'a tensor as learning rate'}"
    return None


def _of_parameters(
    model: nn.Module, optimizer: torch.optim.Optimizer, held: list[Tensor]
) -> str | None:
    learning = [p for p in optimizer.param_groups[0]["params"] if p.requires_grad]
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for p in learning:
        ordinary = type(p) is nn.Parameter and p.layout == torch.strided
        if not ordinary or p.dtype != torch.float32 or p.stride() != torch.empty_like(p).stride():
            name = names.get(id(p), "a parameter")
            return f"{name} is not an ordinary float32 parameter without gaps"
    if {id(t) for t in held if t.requires_grad and t.is_leaf} != {id(p) for p in learning}:
        return "the optimizer has other parameters than those of model and loss that learn"
    if len({float(optimizer.state.get(p, {}).get("step", 0)) for p in learning}) > 1:
        return "parameters have made different numbers of steps"
    return None


def _of_environment() -> str | None:
    if torch.is_anomaly_enabled() or torch.is_autocast_enabled("cpu"):
        return "anomaly detection or autocast is on"
    if not torch.is_grad_enabled():
        return "gradients are switched off"
    return "torch's operations are watched" if is_watched() else None


def _is_torchs(thing: Any, home: str) -> bool:
    """Returns whether a class or function is torch's own, and not one that pretends to be."""
    module = getattr(thing, "__module__", None) or ""
    found = getattr(sys.modules.get(module), getattr(thing, "__name__", ""), None)
    return module.startswith(home) and found is thing
