"""A recorded computation, ready to be replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fmnistlab.training.steps.recorded.convolution import Convolutions
from fmnistlab.training.steps.recorded.cropping import crop
from fmnistlab.training.steps.recorded.internals import bound
from fmnistlab.training.steps.recorded.lowering import lower
from fmnistlab.training.steps.recorded.memory import Memory, rebase
from fmnistlab.training.steps.recorded.recording import (
    NotRecordable,
    Operation,
    first_difference,
    record,
)


class Program:
    """Does again what a function did, in the same memory, without the function.

    Args:
        function: computes something from its inputs and from tensors that stay where they are,
            such as parameters and buffers, and returns the results. It is run twice; what it
            changes, the random state included, is up to the caller to put back.
        inputs: what it is called with; `replay` takes others of the same shape and layout.
        others: what the inputs hold in the second run, so that what the function reads from them
            past torch is another number then.
        places: called after the first run; returns pairs of a tensor that the function computed
            and the memory that holds it after each replay.

    Raises:
        NotRecordable: the two runs were not the same, or an operation cannot be replayed.
    """

    def __init__(
        self,
        function: Callable[..., Sequence[Tensor]],
        inputs: Sequence[Tensor],
        others: Sequence[Tensor],
        places: Callable[[], Sequence[tuple[Tensor, Tensor]]],
    ) -> None:
        self._memory = memory = Memory()
        self._outputs: list[Tensor] = []
        wanted: list[tuple[Tensor, Tensor]] = []

        def first() -> None:
            self._outputs += [memory.view(output) for output in function(*inputs)]
            wanted.extend((memory.view(made), place) for made, place in places())

        self._inputs = [memory.views(memory.block(memory.view(given))) for given in inputs]
        operations, self._made = record(first, memory)
        needed = memory.blocks()
        for given, other in zip(inputs, others, strict=True):
            given.copy_(other)
        again = record(lambda: function(*inputs), memory).operations
        difference = first_difference(operations, again, memory)
        if difference is not None:
            raise NotRecordable(difference)
        memory.forget(memory.blocks() - needed)
        self._runs = self._lowered(operations, wanted)

    def replay(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Does it again, for other inputs.

        Args:
            *inputs: of the shape and layout of the first ones; they are read where they lie.

        Returns:
            The results, in memory that no later replay touches.
        """
        # Gradients stay switched on, as they were: some kernels look. No tensor here has one.
        for views, new in zip(self._inputs, inputs, strict=True):
            rebase(views, new)
        for run in self._runs:
            run()
        return tuple([output.clone() for output in self._outputs])

    def _lowered(
        self, operations: Sequence[Operation], wanted: Sequence[tuple[Tensor, Tensor]]
    ) -> list[Callable[[], object]]:
        """Decides where everything lies and returns what is to be done in a replay."""
        memory = self._memory
        convolutions = Convolutions(memory)
        operations = crop(operations, memory, convolutions.is_product)
        calls = lower(operations, memory, convolutions.lower)
        runs: list[Callable[[], object]] = [call.run for call in calls]
        moving = {memory.block(view) for call in calls if call.allocates for view in call.writes}
        moving |= {memory.block(views[0]) for views in self._inputs}
        if any(len({view.dtype for view in memory.views(block)}) > 1 for block in moving):
            raise NotRecordable("the same memory is taken for numbers of two types")
        written = {memory.block(view) for call in calls for view in call.writes}
        for tensor, place in wanted:
            block = memory.block(tensor)
            whole = tensor.untyped_storage().nbytes() == place.nbytes
            if (
                block in self._made & written - moving
                and whole
                and tensor.stride() == place.stride()
            ):
                memory.move(block, place)
                moving.add(block)  # it has its place now
            else:
                runs.append(bound(torch.ops.aten.copy_.default, place, tensor))
        return runs
