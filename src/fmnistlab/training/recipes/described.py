"""Settings that are code, told by name: what a file can say of a function, and compare.

A function cannot be written into a checkpoint, but where it is defined can, and so can what it was
given: the arguments of a partial, default values, plain attributes of an object, the numbers that a
nested function has closed over, the buffers of a loss. The code itself is not looked at.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fmnistlab.data.augmentation.description import augmentation_to_dict
from fmnistlab.data.augmentation.protocol import Augmentation
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import shown

CODE: Final = "code"
"""Key of the name of something that is code, in its description."""

_DEEPEST: Final = 4
_DEEPEST_OBJECT: Final = 1  # an object may know a whole program
_LONGEST: Final = 100
_SHOWN: Final = (
    *(bytes, complex, range, slice, enum.Enum, PurePath, int, float, str),
    *(torch.dtype, torch.device, torch.memory_format, torch.layout),
)
"""What shows all that it is; numbers and text here are those of subclasses."""


class SettingDifference(NamedTuple):
    """One place in which two descriptions differ.

    Attributes:
        place: such as "loss.gamma".
        one: what the first says there, in words.
        other: what the second says there.
    """

    place: str
    one: str
    other: str


def describe(value: object, depth: int = 0) -> Any:  # noqa: PLR0911 - a line for each kind
    """Returns a setting as values of JSON; equal settings give equal descriptions.

    Plain values stay what they are. Whatever is code is an object with its name under `CODE`,
    "module:qualified name", and what else can be told of it.

    Args:
        value: anything.
        depth: how deep in another description it is.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, str, int, float):
        odd = isinstance(value, float) and not math.isfinite(value)
        huge = isinstance(value, int) and abs(value) >= 2**63
        return str(value) if odd else hex(value) if isinstance(value, int) and huge else value
    if isinstance(value, Tensor | np.ndarray):
        return {"tensor": _hash(value)}
    if isinstance(value, _SHOWN):
        return f"{_name(type(value))} {value!r}"
    if depth > _DEEPEST:
        return {CODE: _name(type(value))}
    inner = functools.partial(describe, depth=depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        items = [inner(item) for item in value]
        return _shortened(sorted(items, key=repr) if isinstance(value, set | frozenset) else items)
    if isinstance(value, Mapping):
        return _shortened({str(key): inner(item) for key, item in value.items()})
    if isinstance(value, functools.partial):
        return {
            **_as_code(inner(value.func)),
            "arguments": inner(value.args),
            "keywords": inner(value.keywords),
        }
    if getattr(value, "__self__", None) is not None and hasattr(value, "__func__"):
        owner: Any = value
        return {CODE: _name(owner.__func__), "of": inner(owner.__self__)}
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return {CODE: _name(value), **_function_facts(value, inner)}
    if depth > _DEEPEST_OBJECT:
        return {CODE: _name(type(value))}
    facts = _module_facts(value) if isinstance(value, nn.Module) else {}
    settings = {
        name: inner(item)
        for name, item in getattr(value, "__dict__", {}).items()
        if not name.startswith("_") and name != "training"
    }
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    settings |= {n: inner(getattr(value, n)) for n in slots if hasattr(value, n) and n[:1] != "_"}
    return {CODE: _name(type(value)), **facts, **settings}


def describe_augmentation(change: Augmentation) -> Any:
    """Returns what a file says of an augmentation; else, where it can say nothing, `describe`."""
    try:
        return augmentation_to_dict(change)
    except ConfigurationError:
        return describe(change)


def code_in(description: object) -> list[str]:
    """Returns the names of all code in a description, such as "train:focal"."""
    if isinstance(description, list):
        return [name for item in description for name in code_in(item)]
    if not isinstance(description, Mapping):
        return []
    if CODE in description:
        return [str(description[CODE])]
    return [name for item in description.values() for name in code_in(item)]


def difference(one: Any, other: Any, place: str) -> SettingDifference | None:
    """Returns the first place in which two descriptions differ, or None.

    Args:
        one: a description.
        other: another one.
        place: name of both.
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if one.get(CODE) == other.get(CODE):
            for name in {**one, **other}:
                found = difference(one.get(name), other.get(name), f"{place}.{name}")
                if found is not None:
                    return found
            return None
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            found = difference(*pair, f"{place}[{number}]")
            if found is not None:
                return found
        return None
    # 2 and 2.0 are the same setting, True and 1 are not.
    if one == other and isinstance(one, bool) == isinstance(other, bool):
        return None
    return SettingDifference(place, _told(one), _told(other))


def _shortened(description: Any) -> Any:
    if len(description) <= _LONGEST:
        return description
    text = json.dumps(description, sort_keys=True)
    return {"items": len(description), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _told(description: Any) -> str:
    if isinstance(description, Mapping) and CODE in description:
        return str(description[CODE])
    return shown(description)


def _name(value: Any) -> str:
    """Returns where a class or function is defined, "module:qualified name"."""
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return f"{getattr(value, '__module__', None) or type(value).__module__}:{name}"


def _as_code(description: Any) -> dict[str, Any]:
    return description if isinstance(description, dict) else {CODE: str(description)}


def _function_facts(value: Any, inner: Any) -> dict[str, Any]:
    """Returns default values of a function and the plain values that it has closed over."""
    facts: dict[str, Any] = {}
    defaults = getattr(value, "__defaults__", None), getattr(value, "__kwdefaults__", None)
    if any(defaults):
        facts["defaults"] = inner(list(defaults))
    names = getattr(getattr(value, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(value, "__closure__", None) or (), strict=False):
        try:
            content = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        if content is not value:
            facts[name] = inner(content)
    return facts


def _module_facts(module: nn.Module) -> dict[str, Any]:
    """Returns what a module is made of; its parameters by shape, as they change when it learns."""
    return {
        "parameters": {name: list(p.shape) for name, p in module.named_parameters()},
        "buffers": {name: _hash(buffer) for name, buffer in module.named_buffers()},
        "modules": {name: describe(part, 1) for name, part in module.named_children()},
    }


def _hash(values: Tensor | Any) -> str:
    if not isinstance(values, Tensor):
        content = b"" if values.dtype.hasobject else values.tobytes()
        return hashlib.sha256(f"{values.dtype} {values.shape}".encode() + content).hexdigest()
    plain = values.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    digest = hashlib.sha256(f"{plain.dtype} {tuple(values.shape)}".encode())
    digest.update(plain.view(torch.uint8).numpy().data)
    return digest.hexdigest()
