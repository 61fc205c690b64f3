"""From recorded operations to calls that write into memory that is already there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fmnistlab.training.steps.recorded.internals import (
    bound,
    name_of,
    writes_into_arguments,
    writing_overload,
)
from fmnistlab.training.steps.recorded.memory import Memory, rebase
from fmnistlab.training.steps.recorded.recording import NotRecordable, Operation

_aten = torch.ops.aten


class Call(NamedTuple):
    """One thing to do in a replay.

    Attributes:
        run: does it; takes no arguments, since its tensors never move after the graph was built.
        writes: views that it writes.
        allocates: whether it takes new memory for `writes` each time.
    """

    run: Callable[[], object]
    writes: tuple[Tensor, ...]
    allocates: bool = False


def lower(
    operations: Sequence[Operation],
    memory: Memory,
    replace: Callable[[Operation], list[Call] | None],
) -> list[Call]:
    """Returns the calls that do what the operations did.

    Most kernels can write into given memory. Those that cannot allocate on every replay; all views
    are then rebased onto the new memory. Operations that only look at memory in another shape leave
    no call, because the views are there already.

    Args:
        operations: as they were recorded.
        memory: where they were recorded.
        replace: is asked first; returns other calls that stand for an operation, or None.

    Raises:
        NotRecordable: an operation does something that is not known to be repeatable.
    """
    changed = {
        memory.block(tensor)
        for operation in operations
        if writes_into_arguments(operation.kernel)
        for tensor in operation.reads()
    }
    calls: list[Call] = []
    for operation in operations:
        replaced = replace(operation)
        calls += _lowered(operation, memory, changed) if replaced is None else replaced
    return calls


def _lowered(operation: Operation, memory: Memory, changed: set[int]) -> list[Call]:
    kernel, arguments, options, results = operation
    writes = tuple(operation.writes())
    if writes_into_arguments(kernel):
        return [_in_place(operation, memory)]
    if _is_there_already(operation, memory, changed):
        return []
    if name_of(kernel) in {"clone", "_to_copy"} or _changes_nothing(operation):
        return [Call(bound(_aten.copy_.default, writes[0], arguments[0]), writes)]
    if _sums_rows(operation):
        return [sum_of_rows(arguments[0], writes[0], memory)]
    writing = None if None in results else writing_overload(kernel)
    if writing is None:
        return [Call(_Allocating(operation, memory), writes, allocates=True)]
    overload, names = writing
    places = dict(zip(names, writes, strict=True))
    return [Call(bound(overload, *arguments, **options, **places), writes)]


def _in_place(operation: Operation, memory: Memory) -> Call:
    """Returns the call for an operation that changes tensors that it is given.

    Raises:
        NotRecordable: some of its results are these tensors and some are new.
    """
    given = {memory.block(tensor) for tensor in operation.reads()}
    new = {memory.block(tensor) not in given for tensor in operation.writes()}
    if new == {True}:
        return Call(_Allocating(operation, memory), tuple(operation.writes()), allocates=True)
    if new == {True, False}:
        raise NotRecordable(f"{operation.kernel} gives new memory together with old")
    run = bound(operation.kernel, *operation.arguments, **operation.options)
    return Call(run, (*operation.writes(), *operation.reads()))


def _is_there_already(operation: Operation, memory: Memory, changed: set[int]) -> bool:
    """Returns whether there is nothing to do for an operation, after it was recorded.

    Raises:
        NotRecordable: it cannot be told.
    """
    written = {memory.block(tensor) for tensor in operation.writes()}
    read = {memory.block(tensor) for tensor in operation.reads()}
    if not written or written & read not in (set(), written):
        raise NotRecordable(f"{operation.kernel} gives no new memory, or some together with old")
    name = name_of(operation.kernel)
    of_numbers = not read or name.startswith("new_") or name.endswith("_like")
    random = torch.Tag.nondeterministic_seeded in operation.kernel.tags
    constant = of_numbers and not random and not changed & written
    return bool(written & read) or constant or name.startswith(("empty", "new_empty"))


def _changes_nothing(operation: Operation) -> bool:
    """Returns whether an operation is the mean of single numbers or a division by 1.

    An average pool over a single pixel, as in the tutorial's CNN, consists of these.
    """
    name, result = name_of(operation.kernel), operation.writes()[0]
    if name not in {"mean", "div"}:
        return False
    first = operation.arguments[0]
    others = operation.arguments[1:]
    if len(others) == 0 or (first.shape, first.dtype) != (result.shape, result.dtype):
        return False
    if name == "mean":
        axes: list[int] = others[0] or []
        return len(axes) > 0 and all(first.shape[axis] == 1 for axis in axes)
    return name == "div" and len(others) == 1 and type(others[0]) is int and others[0] == 1


def matmul(left: Tensor, right: Tensor, result: Tensor, bias: Tensor | None = None) -> Call:
    """Returns the call that writes `left @ right`, and `bias` in each row if given."""
    if bias is None:
        return Call(bound(_aten.mm.out, left, right, out=result), (result,))
    return Call(bound(_aten.addmm.out, bias, left, right, out=result), (result,))


def sum_of_rows(matrix: Tensor, result: Tensor, memory: Memory) -> Call:
    """Returns the call that sums up the rows of a matrix, as the gradient of a bias does.

    The product with a row of ones does it in half the time.
    """
    ones = memory.new(1, len(matrix)).fill_(1)
    return matmul(ones, matrix, memory.view(result.view(1, -1)))


def _sums_rows(operation: Operation) -> bool:
    if name_of(operation.kernel) != "sum" or operation.options or len(operation.arguments) < 2:
        return False
    matrix, axes = operation.arguments[:2]
    floats = matrix.dtype == operation.writes()[0].dtype == torch.float32
    return bool(floats and matrix.ndim == 2 and axes == [0] and matrix.is_contiguous())


class _Allocating:
    """A call whose results are new memory each time; all views of them are rebased onto it."""

    def __init__(self, operation: Operation, memory: Memory) -> None:
        self._compute = bound(operation.kernel, *operation.arguments, **operation.options)
        self._views = [
            None if result is None else memory.views(memory.block(result))
            for result in operation.results
        ]

    def __call__(self) -> None:
        returned: Any = self._compute()
        several = returned if isinstance(returned, tuple | list) else (returned,)
        for new, views in zip(several, self._views, strict=True):
            if views is not None:
                rebase(views, new)
