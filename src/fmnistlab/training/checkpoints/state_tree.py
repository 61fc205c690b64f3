"""Any state that consists of plain values as tensors and JSON, and back to the same bits.

Optimizers, schedules and callbacks keep what they must know in nested dictionaries, lists and
tuples of tensors, arrays and numbers. A checkpoint holds the tensors as tensors and the rest as
JSON, in which an object with one key that begins with "$" stands for what JSON lacks.
"""

from __future__ import annotations

import collections
import json
import math
import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

_STORED: Final = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8),
}
"""Types of tensors that every reader of safetensors knows; all others are stored as bytes."""

ARRAYS: Final = "biufcmM"
"""Kinds of numpy's types that are numbers or times, and no objects."""

FACTORIES: Final = {kind.__name__: kind for kind in (dict, list, set, int, float)}
ALIGNMENT: Final = 16


class UnkeepableError(TypeError):
    """Something in a state is no plain value.

    Args:
        place: where it is, such as "state[0]['rng']".
        found: what it is.
    """

    def __init__(self, place: str, found: str) -> None:
        super().__init__(f"{place} is {found}")
        self.place = place
        self.found = found


class PackedTree(NamedTuple):
    """A state, taken apart.

    Attributes:
        tensors: by name; those of the state itself, not copies, or views of them.
        values: everything else, values of JSON, with the names of the tensors in their places.
    """

    tensors: dict[str, Tensor]
    values: Any


def pack_tree(tree: object, name: str) -> PackedTree:
    """Takes a state apart.

    It may hold None, numbers, text, bytes, tensors, numpy's numbers and arrays, torch's dtypes,
    devices, sizes and memory formats, in dictionaries with any keys, lists, tuples, sets and deques
    of any depth. Tensors that share memory still do when they are put together again.

    Args:
        tree: the state.
        name: of the state, for messages.

    Raises:
        UnkeepableError: it holds something else, or itself.
    """
    packer = _Packer()
    values = packer.pack(tree, name, ())
    packer.place_tensors()
    return PackedTree(packer.tensors, values)


class _Held(NamedTuple):
    """A tensor of the state, where it is, and the object that names it."""

    tensor: Tensor
    name: str
    node: dict[str, Any]

    def geometry(self) -> tuple[object, ...]:
        tensor = self.tensor
        return tensor.dtype, tensor.storage_offset(), tensor.shape, tensor.stride()

    def span(self) -> tuple[int, int]:
        """Returns its first byte in the storage and the byte after its last."""
        steps = zip(self.tensor.shape, self.tensor.stride(), strict=True)
        length = 1 + sum((size - 1) * stride for size, stride in steps)
        start, size = int(self.tensor.storage_offset()), self.tensor.element_size()
        return start * size, (start + int(length)) * size


class _Packer:
    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._held: list[_Held] = []
        self._arrays: dict[int, tuple[object, str]] = {}
        self._around: set[int] = set()  # containers that hold what is packed now

    def pack(self, value: Any, place: str, way: tuple[str, ...]) -> Any:
        """Returns a value as JSON; `way` are the keys that lead to it."""
        kind = type(value)
        if kind in _PLAIN:
            return _PLAIN[kind](value)
        if kind in (Tensor, nn.Parameter):
            return self._hold(value, place, way)
        if isinstance(value, np.generic) or kind is np.ndarray:
            if value.dtype.kind not in ARRAYS:
                raise UnkeepableError(place, f"numpy's {value.dtype}")
            if isinstance(value, np.ndarray):
                return self._array(value, way)
            return {"$number": [value.dtype.str, value.tobytes().hex()]}
        if kind not in _CONTAINERS:
            raise UnkeepableError(place, f"an object of type {kind.__module__}.{kind.__qualname__}")
        if id(value) in self._around:
            raise UnkeepableError(place, f"a {kind.__name__} that holds itself")
        self._around.add(id(value))
        pack = self._dictionary if issubclass(kind, dict) else self._sequence
        packed = pack(value, place, way)
        self._around.remove(id(value))
        return packed

    def _dictionary(self, value: dict[Any, Any], place: str, way: tuple[str, ...]) -> Any:
        if type(value) is dict and all(type(key) is str and key[:1] != "$" for key in value):
            return {
                key: self.pack(item, f"{place}[{key!r}]", (*way, key))
                for key, item in value.items()
            }
        pairs = [
            [
                self.pack(key, f"the key {key!r} of {place}", (*way, "key")),
                self.pack(item, f"{place}[{key!r}]", (*way, str(key))),
            ]
            for key, item in value.items()
        ]
        if not isinstance(value, collections.defaultdict):
            return {f"${type(value).__name__}": pairs}
        factory = getattr(value.default_factory, "__name__", None)
        if FACTORIES.get(factory or "") is not value.default_factory:
            raise UnkeepableError(place, "a defaultdict with a function of its own")
        return {"$defaultdict": [factory, pairs]}

    def _sequence(self, value: Any, place: str, way: tuple[str, ...]) -> Any:
        items = [
            self.pack(item, f"{place}[{at}]", (*way, str(at))) for at, item in enumerate(value)
        ]
        kind = type(value)
        if kind is list:
            return items
        if kind in (set, frozenset):  # equal sets give equal texts
            items.sort(key=json.dumps)
        return {f"${kind.__name__}": [value.maxlen, items] if kind is collections.deque else items}

    def _array(self, value: Any, way: tuple[str, ...]) -> Any:
        if id(value) not in self._arrays:
            bytes_of = torch.frombuffer(bytearray(value.tobytes() or b"\0"), dtype=torch.uint8)
            self._arrays[id(value)] = value, self._add(".".join(way), bytes_of[: value.nbytes])
        name = self._arrays[id(value)][1]
        fortran = value.flags.f_contiguous and not value.flags.c_contiguous
        return {"$array": [name, value.dtype.str, list(value.shape), "F" if fortran else "C"]}

    def _hold(self, tensor: Tensor, place: str, way: tuple[str, ...]) -> Any:
        odd = tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta
        if odd:
            raise UnkeepableError(place, f"a tensor of layout {tensor.layout} on {tensor.device}")
        kind = {"parameter": True} if isinstance(tensor, nn.Parameter) else {}
        learns = {"requires_grad": True} if tensor.requires_grad else {}
        node: dict[str, Any] = {"$tensor": "", **kind, **learns}
        plain = tensor.detach().resolve_conj().resolve_neg()
        self._held.append(_Held(plain, ".".join(way), node))
        return node

    def _add(self, name: str, tensor: Tensor) -> str:
        """Keeps a tensor under its name, or under one like it if that is taken."""
        name = name.encode(errors="replace").decode()  # a lone surrogate is no text for a file
        free, number = name, 1
        while free in self.tensors:
            number += 1
            free = f"{name}~{number}"
        self.tensors[free] = tensor
        return free

    def place_tensors(self) -> None:
        """Names all tensors that were found; those that share memory are kept as views of it."""
        storages: dict[tuple[object, ...], list[_Held]] = {}
        for number, held in enumerate(self._held):
            storage = held.tensor.untyped_storage()
            # Nothing is shared where there is nothing.
            key = (
                (str(held.tensor.device), storage.data_ptr()) if held.tensor.numel() else (number,)
            )
            storages.setdefault(key, []).append(held)
        for together in storages.values():
            for part in _overlapping(together):
                if len({held.geometry() for held in part}) == 1 and _is_dense(part[0].tensor):
                    self._place_alone(part)
                else:
                    self._place_views(part)

    def _place_alone(self, part: list[_Held]) -> None:
        tensor = part[0].tensor
        facts: dict[str, Any] = {}
        if not tensor.is_contiguous():
            facts["order"] = _order(tensor)
        if tensor.dtype not in _STORED:
            facts |= {"dtype": str(tensor.dtype), "shape": list(tensor.shape)}
            tensor = tensor.contiguous().reshape(-1).view(torch.uint8)
        name = self._add(part[0].name, tensor)
        for held in part:
            held.node.update({"$tensor": name, **facts})

    def _place_views(self, part: list[_Held]) -> None:
        start = min(held.span()[0] for held in part) // ALIGNMENT * ALIGNMENT
        stop = max(held.span()[1] for held in part)
        whole = torch.empty(0, dtype=torch.uint8, device=part[0].tensor.device)
        whole.set_(part[0].tensor.untyped_storage(), start, (stop - start,), (1,))
        name = self._add(part[0].name, whole)
        for held in part:
            tensor = held.tensor
            held.node.update(
                {
                    "$tensor": name,
                    "dtype": str(tensor.dtype),
                    "shape": list(tensor.shape),
                    "stride": list(tensor.stride()),
                    "offset": (held.span()[0] - start) // tensor.element_size(),
                }
            )


def _overlapping(together: list[_Held]) -> list[list[_Held]]:
    """Returns tensors of one storage in groups that have no byte in common."""
    if len(together) == 1:
        return [together]
    parts: list[list[_Held]] = []
    end = -1
    for held in sorted(together, key=_Held.span):
        start, stop = held.span()
        if start < end:
            parts[-1].append(held)
        else:
            parts.append([held])
        end = max(end, stop)
    return parts


def _order(tensor: Tensor) -> list[int]:
    """Returns the dimensions of a tensor as they lie in memory, the outermost first."""
    strides = tensor.stride()
    return sorted(range(tensor.ndim), key=lambda at: (-strides[at], tensor.shape[at] == 1))


def _is_dense(tensor: Tensor) -> bool:
    """Returns whether no two numbers of a tensor lie in the same place."""
    reach = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if stride < reach:
                return False
            reach += stride * (size - 1)
    return True


def _whole(value: int) -> Any:
    return value if abs(value) < 2**63 else {"$int": hex(value)}


def _float(value: float) -> Any:
    return value if math.isfinite(value) else {"$float": struct.pack(">d", value).hex()}


def _itself(value: Any) -> Any:
    return value


_PLAIN: Final[dict[type, Callable[[Any], Any]]] = {
    **dict.fromkeys((type(None), bool, str), _itself),
    int: _whole,
    float: _float,
    complex: lambda value: {"$complex": struct.pack(">dd", value.real, value.imag).hex()},
    bytes: lambda value: {"$bytes": value.hex()},
    bytearray: lambda value: {"$bytearray": value.hex()},
    range: lambda value: {"$range": [value.start, value.stop, value.step]},
    torch.dtype: lambda value: {"$dtype": str(value)},
    torch.device: lambda value: {"$device": str(value)},
    torch.memory_format: lambda value: {"$memory_format": str(value)},
    torch.Size: lambda value: {"$Size": list(value)},
}
_CONTAINERS: Final = {
    *(dict, list, tuple, set, frozenset),
    *(collections.OrderedDict, collections.defaultdict, collections.deque),
}
