"""What torch computed while a function ran: a list of operations and the memory they used.

A training step of a small model spends more time around its arithmetic than in it: modules are
called, autograd builds and walks a graph, memory is taken and given back. All of that comes out the
same in every step. So one step is watched at the level at which torch chooses kernels, below
autograd, and what was seen there can be done again without anything above it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fmnistlab.foundation.compiler import compiler_left_out
from fmnistlab.training.steps.recorded.internals import (
    DispatchMode,
    Kernel,
    tree_leaves,
    tree_map_only,
    written_arguments,
)
from fmnistlab.training.steps.recorded.memory import Memory

LARGEST_STEP = 2**28
"""Bytes that the operations of a step may produce, 256 MiB; more is arithmetic enough to hide the
work around it, and would only keep memory."""


class NotRecordable(Exception):  # noqa: N818 - a finding, not a fault; it never leaves this package
    """The step cannot be replayed; the text says why."""


class Operation(NamedTuple):
    """One call of a kernel.

    Attributes:
        kernel: the operator and overload, such as aten.mm.default.
        arguments: positional arguments; tensors are views held by a `Memory`.
        options: keyword arguments, likewise.
        results: all tensors that came out, likewise; None where an optional one was not asked for.
    """

    kernel: Kernel
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    results: tuple[Tensor | None, ...]

    def reads(self) -> list[Tensor]:
        """Returns all tensors among the arguments."""
        return _tensors((self.arguments, self.options))

    def writes(self) -> list[Tensor]:
        """Returns all tensors among the results."""
        return [result for result in self.results if result is not None]


class Recording(NamedTuple):
    """What was seen while a function ran.

    Attributes:
        operations: every operation, in order.
        made: blocks of memory that did not exist before.
    """

    operations: list[Operation]
    made: set[int]


def record(function: Callable[[], object], memory: Memory) -> Recording:
    """Runs a function and returns every operation that torch computed for it.

    Tensors from before that the operations write into have their old content again afterwards.

    Args:
        function: what to watch; it really runs, autograd included.
        memory: keeps a view of each tensor that is seen.

    Raises:
        NotRecordable: a number was read from a tensor, the shape of a result depends on values, a
            result is complex, a random generator is not the global one, or the results are larger
            than `LARGEST_STEP`.
    """
    recorder = _Recorder(memory)
    try:
        with compiler_left_out(_Recorder.__torch_dispatch__), recorder:
            function()
    finally:
        with torch.no_grad():
            for view, content in reversed(recorder.changed):  # what was seen first was untouched
                view.copy_(content)
    return recorder.seen


class _Recorder(DispatchMode):
    def __init__(self, memory: Memory) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch's own
        self.seen = Recording([], set())
        self.changed: list[tuple[Tensor, Tensor]] = []
        self._memory = memory
        self._room = LARGEST_STEP

    def __torch_dispatch__(
        self,
        func: Kernel,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & {*func.tags}:
            raise NotRecordable(f"{func} depends on the values of a tensor")
        view, options = self._memory.view, kwargs or {}
        if any(isinstance(leaf, torch.Generator) for leaf in tree_leaves((args, options))):
            raise NotRecordable(f"{func} draws from a generator of its own")
        given = {self._memory.block(view(tensor)) for tensor in _tensors((args, options))}
        for place in written_arguments(func, args, options):
            self._keep(view(place))
        returned = func(*args, **options)
        results = tuple(returned) if isinstance(returned, tuple | list) else (returned,)
        made = _tensors(results)
        if any(result.is_complex() for result in made):
            raise NotRecordable(f"{func} gives complex numbers")
        self._room -= sum(result.nbytes for result in made)
        if self._room < 0:
            raise NotRecordable(f"it is large: more than {LARGEST_STEP:,} bytes of results")
        operation = Operation(
            func,
            tree_map_only(Tensor, view, args),
            tree_map_only(Tensor, view, options),
            tuple(view(result) if isinstance(result, Tensor) else None for result in results),
        )
        self.seen.made.update({self._memory.block(result) for result in operation.writes()} - given)
        self.seen.operations.append(operation)
        return returned

    def _keep(self, view: Tensor) -> None:
        """Copies a tensor from before that may be written into, once."""
        known = self._memory.block(view) in self.seen.made
        if not known and all(view is not kept for kept, _ in self.changed):
            self.changed.append((view, view.clone()))


def first_difference(one: list[Operation], other: list[Operation], memory: Memory) -> str | None:
    """Returns how two recordings of a step differ, or None if they are the same.

    They are the same if the same kernels got the same numbers, and tensors of the same shape that
    come from the same operation or, if from before the step, are the same memory.

    Args:
        one: a recording.
        other: another one, into the same memory.
        memory: where both were recorded.
    """
    if len(one) != len(other):
        return f"it took {len(one)} operations, then {len(other)}"
    makers: tuple[dict[int, str], dict[int, str]] = ({}, {})
    for number, pair in enumerate(zip(one, other, strict=True)):
        first, second = (
            (operation.kernel, _described((operation.arguments, operation.options), made, memory))
            for operation, made in zip(pair, makers, strict=True)
        )
        if first != second:
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
        shape = tuple(tensor.shape), tensor.stride(), tensor.storage_offset()
        return f"<{tensor.dtype} {shape} of {made.get(block, f'block {block}')}>"

    return repr(tree_map_only(Tensor, describe, tree))


def _tensors(tree: object) -> list[Tensor]:
    """Returns all tensors in nested lists, tuples and dictionaries."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
