"""From recorded operations to calls that write into memory that is already there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor

from fmnistlab.training.graph.memory import Memory
from fmnistlab.training.graph.recording import NotRepeatable, Operation

_aten = torch.ops.aten

_ALLOCATIONS = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
"""Operations that only give memory; it is there already."""

_CONSTANTS = {
    "arange",
    "eye",
    "full",
    "full_like",
    "linspace",
    "new_full",
    "new_ones",
    "new_zeros",
    "ones",
    "ones_like",
    "scalar_tensor",
    "zeros",
    "zeros_like",
}
"""Operations whose result depends on nothing but numbers; it stays as it was recorded."""

_COPIES = {"clone", "_to_copy"}
"""Operations that copy their first argument, perhaps into another type or layout."""


class Call(NamedTuple):
    """One thing to do in a replay.

    Attributes:
        run: does it; takes no arguments, since its tensors never move after the graph was built.
        reads: views that it reads.
        writes: views that it writes.
        fresh: whether it brings memory of its own for `writes` each time.
    """

    run: Callable[[], object]
    reads: tuple[Tensor, ...]
    writes: tuple[Tensor, ...]
    fresh: bool = False


Replacement: TypeAlias = Callable[[Operation], "list[Call] | None"]
"""Returns other calls that stand for an operation, or None if there are none better."""


def lower(
    operations: Sequence[Operation], memory: Memory, replacements: Sequence[Replacement]
) -> list[Call]:
    """Returns the calls that do what the operations did.

    Most kernels can write into given memory. Those that cannot bring their own each time, and all
    views of the result are led there. Operations that only look at memory in another shape leave
    no call, because the views are there already.

    Args:
        operations: as they were recorded.
        memory: where they were recorded.
        replacements: are asked first, in this order.

    Raises:
        NotRepeatable: an operation does something that is not known to be repeatable.
    """
    changed = {
        memory.block(tensor)
        for operation in operations
        if operation.kernel._schema.is_mutable
        for tensor in operation.reads()
    }
    calls: list[Call] = []
    for operation in operations:
        found = (replacement(operation) for replacement in replacements)
        replaced = next((calls for calls in found if calls is not None), None)
        if replaced is None:
            call = _lower_one(operation, memory, changed)
            replaced = [] if call is None else [call]
        calls += replaced
    return calls


def _lower_one(operation: Operation, memory: Memory, changed: set[int]) -> Call | None:
    kernel, arguments, options, results = operation
    reads, writes = tuple(operation.reads()), tuple(operation.writes())
    if kernel._schema.is_mutable:
        return Call(bound(kernel, *arguments, **options), reads, (*writes, *reads))
    if _is_there_already(operation, memory, changed):
        return None
    direct = _direct(operation, memory)
    if direct is None and None not in results:
        writing = _writing_overload(kernel)
        if writing is not None:
            overload, names = writing
            direct = bound(overload, *arguments, **options, **dict(zip(names, writes, strict=True)))
    if direct is None and changed.intersection(map(memory.block, writes)):
        direct = _copying(operation)
    if direct is not None:
        return Call(direct, reads, writes)
    return Call(_Bringing(operation, memory), reads, writes, fresh=True)


def _is_there_already(operation: Operation, memory: Memory, changed: set[int]) -> bool:
    """Returns whether there is nothing to do for an operation, after it was recorded.

    Raises:
        NotRepeatable: it cannot be told.
    """
    written = [*map(memory.block, operation.writes())]
    read = {*map(memory.block, operation.reads())}
    shared = [block in read for block in written]
    if not written or any(shared) != all(shared):
        raise NotRepeatable(f"{operation.kernel} gives no new memory, or some together with old")
    name = _name(operation)
    of_numbers = not operation.reads() or name.startswith("new_") or name.endswith("_like")
    constant = name in _CONSTANTS and of_numbers and not changed.intersection(written)
    return all(shared) or name in _ALLOCATIONS or constant


def _direct(operation: Operation, memory: Memory) -> Callable[[], object] | None:
    """Returns a quicker way to the same result, if there is one."""
    name, first, result = _name(operation), operation.arguments[:1], operation.writes()[0]
    if name in _COPIES or _changes_nothing(operation, name):
        return bound(_aten.copy_.default, result, *first)
    if name == "sum" and _sums_columns(operation):
        ones = memory.new(1, len(first[0]), lasting=True).fill_(1)
        return bound(_aten.mm.out, ones, *first, out=memory.view(result.view(1, -1)))
    return None


def _name(operation: Operation) -> str:
    return str(operation.kernel.overloadpacket._qualified_op_name).removeprefix("aten::")


def _changes_nothing(operation: Operation, name: str) -> bool:
    """Returns whether a kernel copies its first argument, as the mean of single numbers does."""
    first, *others = operation.arguments
    if not isinstance(first, Tensor) or first.shape != operation.writes()[0].shape:
        return False
    if name == "mean" and others and first.dtype == operation.writes()[0].dtype:
        return all(first.shape[axis] == 1 for axis in others[0] or ())
    return name == "div" and len(others) == 1 and isinstance(others[0], int) and others[0] == 1


def _sums_columns(operation: Operation) -> bool:
    """Returns whether a kernel sums up the rows of a matrix, as the gradient of a bias does.

    The product with a row of ones does it in half the time.
    """
    matrix, axes, *_ = (*operation.arguments, None)
    return (
        isinstance(matrix, Tensor)
        and (matrix.ndim, axes) == (2, [0])
        and matrix.dtype == operation.writes()[0].dtype == torch.float32
        and matrix.is_contiguous()
        and not operation.options
    )


def bound(
    kernel: torch._ops.OpOverload, /, *arguments: Any, **options: Any
) -> functools.partial[Any]:
    """Returns a call of a kernel with everything given; it skips what torch does in Python."""
    return functools.partial(getattr(kernel, "_op", kernel), *arguments, **options)


@functools.cache
def _writing_overload(
    kernel: torch._ops.OpOverload,
) -> tuple[torch._ops.OpOverload, tuple[str, ...]] | None:
    """Returns the form of a kernel that writes into given tensors, and the names of these.

    Forms that torch generates are left out: they compute as always and then copy.
    """
    wanted = [(argument.name, str(argument.type)) for argument in kernel._schema.arguments]
    packet = kernel.overloadpacket
    for name in packet.overloads():
        overload = cast("torch._ops.OpOverload", getattr(packet, name))
        arguments = overload._schema.arguments
        outputs = tuple(argument.name for argument in arguments if argument.is_out)
        given = [
            (argument.name, str(argument.type)) for argument in arguments if not argument.is_out
        ]
        if outputs and given == wanted and torch.Tag.generated not in overload.tags:
            return overload, outputs
    return None


def _copying(operation: Operation) -> Callable[[], None]:
    """Returns a call that copies its results to where they shall be."""
    compute = bound(operation.kernel, *operation.arguments, **operation.options)

    def run() -> None:
        for new, view in zip(_as_tuple(compute()), operation.results, strict=True):
            if view is not None:
                view.copy_(new)

    return run


def _as_tuple(returned: Any) -> tuple[Any, ...]:
    return tuple(returned) if isinstance(returned, tuple | list) else (returned,)


def lead(views: Sequence[Tensor], new: Tensor) -> None:
    """Lets all views of a block, the first of which covers it, lie in new memory."""
    first, *others = views
    shift = new.storage_offset() - first.storage_offset()
    first.data = new
    for view in others:
        offset = view.storage_offset() + shift
        view.data = new.as_strided(view.shape, view.stride(), offset)


class _Bringing:
    """A call whose results are new memory each time; it leads all views of the results there."""

    def __init__(self, operation: Operation, memory: Memory) -> None:
        self._compute = bound(operation.kernel, *operation.arguments, **operation.options)
        # The lists may grow until the graph is complete, as other calls need other views.
        self._views = [
            None if result is None else memory.views(memory.block(result))
            for result in operation.results
        ]

    def __call__(self) -> None:
        for new, led in zip(_as_tuple(self._compute()), self._views, strict=True):
            if led is not None:
                lead(led, new)
