"""A recorded training step on the CPU, ready to be replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fmnistlab.training.graph.convolution import Convolutions
from fmnistlab.training.graph.cropping import crop
from fmnistlab.training.graph.lowering import bound, lead, lower
from fmnistlab.training.graph.memory import Memory, lifetimes
from fmnistlab.training.graph.products import Products
from fmnistlab.training.graph.recording import (
    NotRepeatable,
    Operation,
    record,
    same_operations,
)


class CpuGraph:
    """Does again what a function did, in the same memory, without the function.

    Args:
        function: computes something from its inputs and from tensors that stay where they are,
            such as parameters and buffers, and returns the results. It is run twice; what it
            changes, the random state included, is up to the caller to put back.
        inputs: what it is called with; `replay` takes others of the same shape and layout.
        places: called after the first run; returns pairs of a tensor that the function computed
            and the memory in which it shall be found after each replay.

    Raises:
        NotRepeatable: the two runs were not the same, or an operation cannot be replayed.
    """

    def __init__(
        self,
        function: Callable[..., Sequence[Tensor]],
        inputs: Sequence[Tensor],
        places: Callable[[], Sequence[tuple[Tensor, Tensor]]],
    ) -> None:
        self._memory = Memory()
        outputs: list[Tensor] = []
        wanted: list[tuple[Tensor, Tensor]] = []

        def first() -> None:
            outputs.extend(self._memory.view(output) for output in function(*inputs))
            wanted.extend((self._memory.view(made), place) for made, place in places())

        self._inputs = [
            self._memory.views(self._memory.block(v)) for v in map(self._memory.view, inputs)
        ]
        self._recording = record(first, self._memory)
        operations = self._recording.operations
        needed = self._memory.blocks()
        again = record(lambda: function(*inputs), self._memory).operations
        difference = same_operations(operations, again, self._memory)
        if difference is not None:
            raise NotRepeatable(difference)
        self._memory.forget(self._memory.blocks() - needed)
        self._outputs = outputs
        self._renewed: dict[int, list[Tensor]] = {}
        self._runs = self._lowered(operations, wanted)

    def replay(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Does it again, for other inputs.

        Args:
            *inputs: of the shape and layout of the first ones; they are read where they lie.

        Returns:
            The results, in memory that no later replay touches.
        """
        with torch.no_grad():
            for views, new in zip(self._inputs, inputs, strict=True):
                lead(views, new)
            for views in self._renewed.values():
                lead(views, torch.empty_like(views[0]))
            for run in self._runs:
                run()
            return tuple(
                [
                    output.detach()
                    if self._memory.block(output) in self._renewed
                    else output.clone()
                    for output in self._outputs
                ]
            )

    def rehearse(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Replays, and then puts back what operations are known to write into from before."""
        try:
            return self.replay(*inputs)
        finally:
            self._recording.put_back()

    def _lowered(
        self, operations: Sequence[Operation], wanted: Sequence[tuple[Tensor, Tensor]]
    ) -> list[Callable[[], object]]:
        """Decides where everything lies and returns what is to be done in a replay."""
        memory = self._memory
        before = memory.blocks()
        products = Products(memory)
        convolutions = Convolutions(memory, products)
        operations = crop(operations, memory, convolutions.is_product)
        calls = lower(operations, memory, [convolutions.lower, products.lower])
        runs: list[Callable[[], object]] = [call.run for call in calls]
        fresh = {memory.block(view) for call in calls if call.fresh for view in call.writes}
        written = {memory.block(view) for call in calls for view in call.writes}
        made = _made(operations, memory) | (memory.blocks() - before)
        movable = (made & written) - fresh - memory.lasting
        for tensor, place in wanted:
            block = memory.block(tensor)
            whole = tensor.untyped_storage().nbytes() == place.nbytes
            if block in movable and whole and tensor.stride() == place.stride():
                memory.move(block, place)
            else:
                runs.append(bound(torch.ops.aten.copy_.default, place, tensor))
            movable.discard(block)
        led = fresh | {memory.block(views[0]) for views in self._inputs}
        if any(len({view.dtype for view in memory.views(block)}) > 1 for block in led):
            raise NotRepeatable("the same memory is taken for numbers of two types")
        results = {memory.block(output) for output in self._outputs}
        self._renewed = {block: memory.views(block) for block in results & movable}
        movable -= results
        touched = [{memory.block(view) for view in (*call.reads, *call.writes)} for call in calls]
        memory.share_places(lifetimes(touched, movable))
        return runs


def _made(operations: Sequence[Operation], memory: Memory) -> set[int]:
    """Returns the blocks that did not exist before the operations."""
    seen: set[int] = set()
    made: set[int] = set()
    for operation in operations:
        seen |= {memory.block(tensor) for tensor in operation.reads()}
        made |= {memory.block(tensor) for tensor in operation.writes()} - seen
        seen |= made
    return made
