"""The memory of a recorded step.

Replaying needs tensors that never move, so every view of a block of memory is kept once, and all
operations hold that one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from fmnistlab.training.steps.recorded.internals import storage_of


class Memory:
    """Blocks of memory, each with all views of it."""

    def __init__(self) -> None:
        # Views live as long as this object: calls hold them, and `_blocks` knows them by identity,
        # which another tensor could get once a view is gone. The first view of a block that moves
        # covers all of it, so the offsets of the others are relative to its own.
        self._views: dict[int, list[Tensor]] = {}
        self._known: dict[tuple[object, ...], Tensor] = {}
        self._blocks: dict[int, int] = {}  # the block of a view, by the view's identity
        self._by_storage: dict[int, int] = {}
        self._numbers = itertools.count()

    def view(self, tensor: Tensor) -> Tensor:
        """Returns the one view of this memory with this shape; it has no gradient."""
        storage = storage_of(tensor)
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

    def new(self, *shape: int) -> Tensor:
        """Returns a view of a new block, float32, filled with zeros, that covers the block."""
        return self.view(torch.zeros(shape, dtype=torch.float32))

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
        """Returns all views of a block; the list grows with later ones."""
        return self._views[block]

    def move(self, block: int, place: Tensor) -> None:
        """Lets a block lie in the memory of another tensor of its size."""
        for view in self._views[block]:
            offset = place.storage_offset() + view.storage_offset()
            view.data = place.as_strided(view.shape, view.stride(), offset)


def rebase(views: Sequence[Tensor], new: Tensor) -> None:
    """Lets all views of a block, the first of which covers it, lie in other memory."""
    first, *others = views
    shift = new.storage_offset() - first.storage_offset()
    first.data = new
    for view in others:
        view.data = new.as_strided(view.shape, view.stride(), view.storage_offset() + shift)
