"""The memory of a recorded step: which tensors share it, and how much of it there must be.

Replaying needs tensors that never move, so every view of a block of memory is kept once, and all
operations hold that one. A block whose content is only needed between two operations of the step
may share its place with others: the step of the tutorial's CNN then takes half the memory, which
matters because it has to stay in the processor's cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_ALIGNMENT = 64
"""Bytes between places, the length of a cache line; torch aligns its own tensors likewise."""


class Lifetime(NamedTuple):
    """When the content of a block is needed: first and last operation that touch it."""

    first: int
    last: int


class Memory:
    """Blocks of memory, each with all views of it.

    Attributes:
        lasting: blocks whose content is needed from one replay to the next.
    """

    def __init__(self) -> None:
        self.lasting: set[int] = set()
        self._views: dict[int, list[Tensor]] = {}
        self._known: dict[tuple[object, ...], Tensor] = {}
        self._blocks: dict[int, int] = {}  # the block of a view, by the view's identity
        self._by_storage: dict[int, int] = {}
        self._numbers = itertools.count()

    def view(self, tensor: Tensor) -> Tensor:
        """Returns the one view of this memory with this shape; it has no gradient."""
        storage = tensor.untyped_storage()._cdata
        key = (storage, tensor.dtype, tensor.shape, tensor.stride(), tensor.storage_offset())
        if key not in self._known:
            view = tensor.detach()
            block = self._by_storage.get(storage)
            if block is None:
                block = self._by_storage[storage] = next(self._numbers)
            self._known[key] = view
            self._blocks[id(view)] = block
            self._views.setdefault(block, []).append(view)
        return self._known[key]

    def new(self, *shape: int, lasting: bool = False) -> Tensor:
        """Returns a view of a new block, float32, filled with zeros.

        Args:
            *shape: of the view, which covers the block.
            lasting: whether its content is needed from one replay to the next.
        """
        view = self.view(torch.zeros(shape))
        if lasting:
            self.lasting.add(self.block(view))
        return view

    def block(self, view: Tensor) -> int:
        """Returns the number of the block that a view belongs to."""
        return self._blocks[id(view)]

    def blocks(self) -> set[int]:
        """Returns the numbers of all blocks."""
        return set(self._views)

    def forget(self, blocks: Iterable[int]) -> None:
        """Lets go of blocks that nothing needs any more."""
        for block in blocks:
            for view in self._views.pop(block):
                del self._blocks[id(view)]
        self._known = {key: view for key, view in self._known.items() if id(view) in self._blocks}
        self._by_storage = {
            storage: block for storage, block in self._by_storage.items() if block in self._views
        }

    def views(self, block: int) -> list[Tensor]:
        """Returns all views of a block."""
        return self._views[block]

    def move(self, block: int, place: Tensor) -> None:
        """Lets a block lie in the memory of another tensor, from that tensor's beginning on."""
        for view in self._views[block]:
            start, size = place.storage_offset() * place.element_size(), view.element_size()
            offset = start // size + view.storage_offset()
            view.set_(place.untyped_storage(), offset, view.shape, view.stride())

    def share_places(self, lifetimes: Mapping[int, Lifetime]) -> int:
        """Gives blocks that are never needed at the same time the same places.

        Large blocks choose first; each takes the lowest place that is free while it lives.

        Args:
            lifetimes: of the blocks that may be moved.

        Returns:
            Bytes of the memory that now holds all of them.
        """
        sizes = {block: self._bytes(block) for block in lifetimes}
        placed: list[tuple[int, int]] = []  # offset and block
        for block in sorted(sizes, key=lambda block: (-sizes[block], block)):
            offset = 0
            for start, other in sorted(placed):
                if _apart(lifetimes[block], lifetimes[other]):
                    continue
                if offset + sizes[block] <= start:
                    break
                offset = max(offset, start + sizes[other])
            placed.append((offset, block))
        total = max((offset + sizes[block] for offset, block in placed), default=0)
        arena = torch.zeros(total, dtype=torch.uint8)
        for offset, block in placed:
            self.move(block, arena[offset:])
        return total

    def _bytes(self, block: int) -> int:
        """Returns the length of a block, filled up so that the next one starts aligned."""
        length = self._views[block][0].untyped_storage().nbytes()
        return -(-length // _ALIGNMENT) * _ALIGNMENT


def lifetimes(touched: Sequence[Iterable[int]], movable: Iterable[int]) -> dict[int, Lifetime]:
    """Returns when each block is needed.

    Args:
        touched: the blocks that each operation reads or writes, in order.
        movable: the blocks asked about.
    """
    wanted = set(movable)
    found: dict[int, Lifetime] = {}
    for number, blocks in enumerate(touched):
        for block in wanted.intersection(blocks):
            found[block] = Lifetime(found.get(block, Lifetime(number, number)).first, number)
    return found


def _apart(one: Lifetime, other: Lifetime) -> bool:
    return one.last < other.first or other.last < one.first
