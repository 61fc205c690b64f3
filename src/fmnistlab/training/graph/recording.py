"""What torch computed while a function ran: a list of operations and the memory they used.

A training step of a small model spends more time around its arithmetic than in it: modules are
called, autograd builds and walks a graph, memory is taken and given back. All of that comes out the
same in every step. So one step is watched at the level at which torch chooses kernels, below
autograd, and what was seen there can be done again without anything above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from fmnistlab.training.graph.memory import Memory

LARGEST_STEP = 2**28
"""Bytes that the operations of a step may produce, 256 MiB; more is arithmetic enough to hide the
work around it, and would only keep memory."""


class NotRepeatable(Exception):  # noqa: N818 - a finding, not a fault; it never leaves this package
    """The step cannot be replayed; the text says why."""


class Operation(NamedTuple):
    """One call of a kernel.

    Attributes:
        kernel: the operator and overload, such as aten.mm.default.
        arguments: positional arguments; tensors are views held by a `Memory`.
        options: keyword arguments, likewise.
        results: all tensors that came out, likewise; None where an optional one was not asked for.
    """

    kernel: torch._ops.OpOverload
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    results: tuple[Tensor | None, ...]

    def reads(self) -> list[Tensor]:
        """Returns all tensors among the arguments."""
        return tensors_in((self.arguments, self.options))

    def writes(self) -> list[Tensor]:
        """Returns all tensors among the results."""
        return [result for result in self.results if result is not None]


def tensors_in(tree: object) -> list[Tensor]:
    """Returns all tensors in nested lists, tuples and dictionaries."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


class Recording(NamedTuple):
    """What was seen while a function ran.

    Attributes:
        operations: every operation, in order.
        changed: tensors from before that operations wrote into, with what they held.
    """

    operations: list[Operation]
    changed: list[tuple[Tensor, Tensor]]

    def put_back(self) -> None:
        """Gives the tensors from before the content that they had."""
        with torch.no_grad():
            for tensor, content in reversed(self.changed):  # what was seen first was untouched
                tensor.detach().copy_(content)


def record(function: Callable[[], object], memory: Memory) -> Recording:
    """Runs a function and returns every operation that torch computed for it.

    Tensors from before that the operations write into have their old content again afterwards.

    Args:
        function: what to watch; it really runs, autograd included.
        memory: keeps a view of each tensor that is seen.

    Raises:
        NotRepeatable: a number was read from a tensor, the shape of a result depends on values, a
            result is complex, or the results are larger than `LARGEST_STEP`.
    """
    recorder = _Recorder(memory)
    recording = Recording(recorder.operations, recorder.changed)
    try:
        with recorder:
            function()
    finally:
        recording.put_back()
    return recording


class _Recorder(TorchDispatchMode):
    def __init__(self, memory: Memory) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch's own
        self.operations: list[Operation] = []
        self.changed: list[tuple[Tensor, Tensor]] = []
        self._memory = memory
        self._made: set[int] = set()
        self._room = LARGEST_STEP

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & {*func.tags}:
            raise NotRepeatable(f"{func} depends on the values of a tensor")
        options = kwargs or {}
        given = [
            self._memory.view(t) for t in tree_leaves((args, options)) if isinstance(t, Tensor)
        ]
        for place in _written(func, args, options):
            self._keep(self._memory.view(place))
        returned = func(*args, **options)
        several = isinstance(returned, tuple | list)
        results = tuple(returned) if several else (returned,)
        made = [result for result in results if isinstance(result, Tensor)]
        if any(result.is_complex() for result in made):
            raise NotRepeatable(f"{func} gives complex numbers")
        self._room -= sum(result.nbytes for result in made)
        if self._room < 0:
            raise NotRepeatable(f"it is large: more than {LARGEST_STEP:,} bytes of results")
        operation = Operation(
            func,
            tree_map_only(Tensor, self._memory.view, args),
            tree_map_only(Tensor, self._memory.view, options),
            tuple(self._memory.view(r) if isinstance(r, Tensor) else None for r in results),
        )
        old = {*map(self._memory.block, given)}
        new = {self._memory.block(view) for view in operation.results if view is not None}
        self._made |= new - old
        self.operations.append(operation)
        return returned

    def _keep(self, view: Tensor) -> None:
        """Copies a tensor from before that may be written into, once."""
        known = self._memory.block(view) in self._made
        if not known and all(view is not kept for kept, _ in self.changed):
            self.changed.append((view, view.clone()))


def _written(
    kernel: torch._ops.OpOverload, arguments: tuple[Any, ...], options: dict[str, Any]
) -> Iterator[Tensor]:
    """Yields the tensors that a kernel says it writes into."""
    for position, declared in enumerate(kernel._schema.arguments):
        if declared.alias_info is not None and declared.alias_info.is_write:
            given = arguments[position] if position < len(arguments) else options[declared.name]
            yield from (leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor))


def same_operations(one: list[Operation], other: list[Operation], memory: Memory) -> str | None:
    """Returns how two recordings of a step differ, or None if they are the same.

    They are the same if the same kernels got the same numbers, and tensors of the same shape that
    come from the same operation or, if from before the step, are the same memory. A model that
    tosses a coin in Python, counts its calls or makes a tensor in passing differs.

    Args:
        one: a recording.
        other: another one, into the same memory.
        memory: where both were recorded.
    """
    if len(one) != len(other):
        return f"it took {len(one)} operations, then {len(other)}"
    makers: tuple[dict[int, str], dict[int, str]] = ({}, {})
    for number, pair in enumerate(zip(one, other, strict=True)):
        described = [
            (operation.kernel, _described((operation.arguments, operation.options), made, memory))
            for operation, made in zip(pair, makers, strict=True)
        ]
        if described[0] != described[1]:
            return f"operation {number}, {pair[0].kernel}, was not the same the second time"
        for operation, made in zip(pair, makers, strict=True):
            for position, result in enumerate(operation.results):
                if result is not None:
                    made.setdefault(memory.block(result), f"{number}.{position}")
    return None


def _described(tree: object, made: dict[int, str], memory: Memory) -> str:
    """Returns arguments as text; a tensor is told by its shape and where it comes from."""

    def describe(tensor: Tensor) -> str:
        block = memory.block(tensor)
        origin = made.get(block, f"block {block}")
        shape = tuple(tensor.shape), tensor.stride(), tensor.storage_offset()
        return f"<{tensor.dtype} {shape} of {origin}>"

    return repr(tree_map_only(Tensor, describe, tree))
