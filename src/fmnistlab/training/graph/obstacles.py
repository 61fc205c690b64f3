"""Why a training step must be run as it is written, and what must not change while it is not.

What can be seen of a model from outside is looked for here; `purity` reads its code, and what only
shows in the operations, two recordings tell (`recording.same_operations`).
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as torch_module

from fmnistlab.training.graph.recording import NotRepeatable

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
_PARTS = {"_parameters", "_buffers", "_modules", "training", *_HOOKS}


def check_model(model: nn.Module) -> None:
    """Refuses a model whose step must not be replayed.

    Raises:
        NotRepeatable: it has hooks, is compiled or distributed, or holds tensors of unusual kinds;
            or torch is in an unusual mode.
    """
    for module in model.modules():
        if _has_hooks(module):
            raise NotRepeatable(f"{type(module).__name__} has hooks")
        if isinstance(module, nn.parallel.DistributedDataParallel | nn.DataParallel):
            raise NotRepeatable("the model is distributed")
        if type(module).__module__.startswith("torch._dynamo"):
            raise NotRepeatable("the model is compiled by torch.compile")
    if _has_hooks(torch_module, "_global"):
        raise NotRepeatable("there are hooks for all modules")
    for name, parameter in model.named_parameters():
        if type(parameter) is not nn.Parameter or parameter.layout != torch.strided:
            raise NotRepeatable(f"the parameter {name} is of an unusual kind")
        if parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
            raise NotRepeatable(f"the parameter {name} has hooks")
    places = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    if any(tensor.untyped_storage().data_ptr() in places for tensor in kept_tensors(model)):
        raise NotRepeatable("a parameter shares its memory with another tensor of the model")
    if torch.is_anomaly_enabled() or torch.is_autocast_enabled("cpu"):
        raise NotRepeatable("anomaly detection or autocast is on")
    if torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack():
        raise NotRepeatable("somebody else watches torch's operations")


def fixed_facts(model: nn.Module, loss: object) -> tuple[Hashable, ...]:
    """Returns all that a recorded forward and backward pass take for granted."""
    facts: list[Hashable] = [_has_hooks(torch_module, "_global")]
    parts = [model, loss] if isinstance(loss, nn.Module) else [model]
    for module in (module for part in parts for module in part.modules()):
        facts.append((id(module), module.training, _has_hooks(module)))
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                hooks = bool(tensor._backward_hooks or tensor._post_accumulate_grad_hooks)
                facts.append((id(tensor), tensor.data_ptr(), tensor.requires_grad, hooks))
    for part in parts:
        facts += _attributes(part)
        kinds = {kind for module in part.modules() for kind in _own_classes(type(module))}
        facts += sorted(
            (id(kind), name, _fact(v)) for kind in kinds for name, v in vars(kind).items()
        )
    return tuple(facts)


def state_facts(optimizer: torch.optim.Optimizer) -> tuple[Hashable, ...]:
    """Returns which tensors an optimizer's state consists of, for steps that hold on to them."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    states = [optimizer.state.get(parameter, {}) for parameter in parameters]
    return tuple(id(entry) for state in states for entry in state.values())


def _own_classes(kind: type) -> list[type]:
    """Returns a class and its bases, without those of torch and Python."""
    torch_or_python = ("torch.", "builtins")
    return [k for k in kind.__mro__ if not k.__module__.startswith(torch_or_python)]


def _has_hooks(owner: object, prefix: str = "") -> bool:
    return any(getattr(owner, prefix + hooks, None) for hooks in _HOOKS)


def kept_tensors(model: nn.Module) -> list[torch.Tensor]:
    """Returns the buffers of a model and the tensors among its attributes; no parameters."""
    attributes = [value for module in model.modules() for value in vars(module).values()]
    plain = [value for value in attributes if isinstance(value, torch.Tensor)]
    return [*model.buffers(), *plain]


def python_facts(model: nn.Module) -> dict[str, Hashable]:
    """Returns what the model's Python code could remember from one call to the next."""
    return dict(_attributes(model))


def check_unchanged(before: dict[str, Hashable], model: nn.Module) -> None:
    """Refuses a model that remembers something.

    Args:
        before: what `python_facts` returned before the model was called.
        model: after it was called.

    Raises:
        NotRepeatable: an attribute changed.
    """
    for name, fact in _attributes(model):
        if before.get(name) != fact:
            raise NotRepeatable(f"it changes its attribute {name}")


def random_states() -> Hashable:
    """Returns the states of Python's and numpy's global random generators."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global one is meant
    return random.getstate(), str(kind), np.asarray(keys).tobytes(), tuple(rest)


def _attributes(model: nn.Module) -> Iterator[tuple[str, Hashable]]:
    """Yields name and content, or identity, of each attribute that is Python's own."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if name not in _PARTS:
                yield f"{path}.{name}".lstrip("."), _fact(value)
        for name, buffer in module._buffers.items():
            yield f"{path}.{name}".lstrip("."), id(buffer)


def _fact(value: object) -> Hashable:
    if isinstance(value, bool | int | float | str | bytes | None):
        return value
    if isinstance(value, list | tuple):
        return tuple(map(_fact, value))
    if isinstance(value, dict):
        return tuple((_fact(key), _fact(item)) for key, item in value.items())
    return id(value)
