"""State of plain values put together again from tensors and JSON; see `state_tree`."""

from __future__ import annotations

import collections
import json
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from fmnistlab.training.checkpoints.state_tree import ALIGNMENT, ARRAYS, FACTORIES


def unpack_tree(tensors: Mapping[str, Tensor], values: object) -> Any:
    """Puts together what `pack_tree` took apart, with memory of its own.

    Args:
        tensors: by name, on the CPU.
        values: values of JSON.

    Raises:
        ValueError, KeyError, TypeError, RuntimeError: it is something else than `pack_tree` gives.
    """
    return _Unpacker(tensors).unpack(values)


class _Unpacker:
    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors
        self._made: dict[str, Any] = {}
        self._ways: dict[str, Callable[[Any], Any]] = {
            **_READERS,
            "array": lambda content: self._array(*content),
            "defaultdict": self._defaultdict,
            "deque": lambda content: collections.deque(self.unpack(content[1]), content[0]),
            "dict": lambda content: dict(self._pairs(content)),
            "frozenset": lambda content: frozenset(self.unpack(content)),
            "OrderedDict": lambda content: collections.OrderedDict(self._pairs(content)),
            "set": lambda content: set(self.unpack(content)),
            "tuple": lambda content: tuple(self.unpack(content)),
        }

    def unpack(self, packed: Any) -> Any:
        """Returns what a value of JSON stands for."""
        if isinstance(packed, list):
            return [self.unpack(item) for item in packed]
        if not isinstance(packed, dict):
            return packed
        tag = next(iter(packed), "")
        if tag[:1] != "$":
            return {key: self.unpack(item) for key, item in packed.items()}
        return self._tensor(packed) if tag == "$tensor" else self._ways[tag[1:]](packed[tag])

    def _pairs(self, pairs: list[Any]) -> list[tuple[Any, Any]]:
        return [(self.unpack(key), self.unpack(item)) for key, item in pairs]

    def _defaultdict(self, content: list[Any]) -> Any:
        factory = None if content[0] is None else FACTORIES[content[0]]
        return collections.defaultdict(factory, self._pairs(content[1]))

    def _array(self, name: str, kind: str, shape: list[int], order: Any) -> Any:
        if name not in self._made:
            content = self._tensors[name].numpy().tobytes()
            flat = np.frombuffer(content, _array_type(kind))
            self._made[name] = np.array(flat.reshape(shape), order=order)
        return self._made[name]

    def _tensor(self, node: dict[str, Any]) -> Tensor:
        facts = {key: value for key, value in node.items() if key != "$tensor"}
        parameter, learns = facts.pop("parameter", False), facts.pop("requires_grad", False)
        content = json.dumps([node["$tensor"], facts])
        if content not in self._made:
            self._made[content] = self._rebuilt(node["$tensor"], **facts)
        tensor: Tensor = self._made[content]
        if not parameter and not learns:
            return tensor
        key = json.dumps(node)
        if key not in self._made:
            own = nn.Parameter(tensor, learns) if parameter else tensor.detach().requires_grad_()
            self._made[key] = own
        found: Tensor = self._made[key]
        return found

    def _rebuilt(
        self,
        name: str,
        *,
        order: list[int] | None = None,
        dtype: str | None = None,
        shape: list[int] | None = None,
        stride: list[int] | None = None,
        offset: int = 0,
    ) -> Tensor:
        if stride is not None and shape is not None:
            return (
                self._memory(name)
                .view(_of_torch(dtype, torch.dtype))
                .as_strided(shape, stride, offset)
            )
        tensor = self._tensors[name].clone()
        if dtype is not None and shape is not None:
            tensor = tensor.view(_of_torch(dtype, torch.dtype)).reshape(shape)
        if order is not None:
            back = [order.index(at) for at in range(tensor.ndim)]
            tensor = tensor.permute(order).contiguous().permute(back)
        return tensor

    def _memory(self, name: str) -> Tensor:
        """Returns the bytes that several tensors share, the same each time."""
        if name not in self._made:
            content = self._tensors[name]
            memory = torch.zeros(-(-len(content) // ALIGNMENT) * ALIGNMENT, dtype=torch.uint8)
            memory[: len(content)] = content
            self._made[name] = memory
        shared: Tensor = self._made[name]
        return shared


def _of_torch(text: Any, kind: type) -> Any:
    found = getattr(torch, str(text).removeprefix("torch."), None)
    if not isinstance(found, kind):
        raise ValueError(f"{text!r} is no {kind.__name__}")
    return found


def _array_type(text: Any) -> np.dtype[Any]:
    if not re.fullmatch(rf"[<>|=]?[{ARRAYS}]\d+(\[\w+\])?", str(text)):
        raise ValueError(f"{text!r} is no type of numbers")
    kind: np.dtype[Any] = np.dtype(text)
    return kind


def _number(content: list[str]) -> Any:
    return np.frombuffer(bytes.fromhex(content[1]), _array_type(content[0]))[0]


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "int": lambda content: int(content, 16),
    "float": lambda content: struct.unpack(">d", bytes.fromhex(content))[0],
    "complex": lambda content: complex(*struct.unpack(">dd", bytes.fromhex(content))),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "range": lambda content: range(*content),
    "dtype": lambda content: _of_torch(content, torch.dtype),
    "device": torch.device,
    "memory_format": lambda content: _of_torch(content, torch.memory_format),
    "Size": torch.Size,
    "number": _number,
}
