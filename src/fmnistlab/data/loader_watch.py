"""Which items a pass over a DataLoader visits, and whether it is each of them once.

A loader gives images, not the indices it took them by. So a second loader of the same settings is
made, whose sampler notes the indices on their way and draws them from the loader's own sampler and
random generator, exactly as the loader would.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sized
from types import FunctionType
from typing import Any, Final

from torch.utils.data import DataLoader, IterableDataset, Sampler

from fmnistlab.errors import ConfigurationError


def unwatchable(loader: DataLoader[Any]) -> str | None:
    """Returns why it cannot be told which items a loader visits, or None."""
    if isinstance(loader.dataset, IterableDataset):
        return f"{type(loader.dataset).__name__} gives its items itself"
    kind = type(loader)
    kinds = kind.__mro__[: kind.__mro__.index(DataLoader)]
    own = {name for cls in kinds for name in vars(cls)}
    acts = {name for name, part in vars(DataLoader).items() if isinstance(part, _ACTING)}
    if own & (acts - {"__init__", "__len__"}):
        return f"{kind.__name__} gives batches in a way of its own"
    return None


def with_settings_of(loader: DataLoader[Any], **changes: Any) -> DataLoader[Any]:
    """Returns a new loader of the same settings, samplers and generator, some of them changed."""
    batched = loader.batch_sampler is not None
    settings = {
        "batch_size": 1 if batched else None,
        "sampler": None if batched else loader.sampler,
        "batch_sampler": loader.batch_sampler,
        "in_order": getattr(loader, "in_order", True),
        **{name: getattr(loader, name) for name in _SETTINGS},
    }
    return DataLoader(loader.dataset, **{**settings, **changes})


_SETTINGS: Final = (
    *("num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn", "generator"),
    *("multiprocessing_context", "prefetch_factor", "persistent_workers", "pin_memory_device"),
)


def samplers_of(loader: DataLoader[Any]) -> list[object]:
    """Returns a loader's samplers, from the one that it asks itself to the one asked last."""
    found: list[object] = []
    sampler: object = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
    while sampler is not None and not any(sampler is known for known in found):
        found.append(sampler)
        sampler = getattr(sampler, "sampler", None)
    return found if len(found) > 1 or found[0] is loader.sampler else [*found, loader.sampler]


def named_items(loader: DataLoader[Any]) -> int | None:
    """Returns how many items the sampler that is asked last names, or None if it cannot tell."""
    return length_of(samplers_of(loader)[-1])


def length_of(collection: object) -> int | None:
    """Returns `len(collection)`, or None if it has none or does not know it."""
    try:
        return len(collection) if isinstance(collection, Sized) else None
    except (TypeError, NotImplementedError):
        return None


_ACTING: Final = FunctionType, property


class LoaderWatch:
    """A loader's double, with a note of what it visits.

    Args:
        loader: one that is not `unwatchable`.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._original = loader
        batches = loader.batch_sampler
        self._batched = batches is not None
        self._sampler = _NotingSampler(loader.sampler if batches is None else batches)
        name = "batch_sampler" if self._batched else "sampler"
        self._double = with_settings_of(loader, **{name: self._sampler})

    def batches(self, *, in_order: bool) -> Iterator[tuple[object, list[Any] | None]]:
        """Yields what the loader would, and the indices of the items if they are sure.

        Args:
            in_order: whether items must come as they are numbered, from 0 to the last.

        Raises:
            ConfigurationError: an item comes twice, not at all though the sampler names it, or, if
                that is asked for, out of order.
        """
        keeps_order = self._double.in_order or self._double.num_workers == 0
        if in_order and not keeps_order:
            raise ConfigurationError(f"in_order=False lets workers overtake each other. {_ORDERED}")
        visits = _Visits(self._original, in_order=in_order)
        for collated in self._double:
            drawn = self._sampler.noted.popleft()
            listed = isinstance(drawn, list | range) or getattr(drawn, "ndim", 0) > 0
            several = self._batched or listed
            items = list(drawn) if several else [drawn]
            visits.add(items)
            yield collated, items if several and keeps_order else None
        visits.finish()

    @property
    def left_out(self) -> int:
        """Items of the data set that the loader's sampler does not name, if both can be counted."""
        named, there = named_items(self._original), length_of(self._original.dataset)
        return 0 if named is None or there is None else max(0, there - named)


class _NotingSampler(Sampler[Any]):
    """Gives what another sampler gives, and notes it."""

    def __init__(self, sampler: Iterable[Any]) -> None:
        self._sampler = sampler
        self.noted: deque[Any] = deque()

    def __iter__(self) -> Iterator[Any]:
        # At once, as samplers may draw their random numbers here.
        drawn = iter(self._sampler)
        noted: deque[Any] = deque()
        self.noted = noted

        def noting() -> Iterator[Any]:
            for indices in drawn:
                noted.append(indices)
                yield indices

        return noting()


class _Visits:
    """The items that one pass has visited."""

    def __init__(self, loader: DataLoader[Any], *, in_order: bool) -> None:
        self._loader = loader
        self._in_order = in_order
        self._length = length_of(loader.dataset)
        self._seen: set[Hashable] = set()

    def add(self, items: list[Any]) -> None:
        """Notes some items."""
        for item in items:
            index = _plain(item, self._length)
            if self._in_order and index != len(self._seen):
                raise ConfigurationError(
                    f"This DataLoader gives item {index} where item {len(self._seen)} is due, so "
                    f"predictions would not be in the order of the images. {_ORDERED}"
                )
            if index in self._seen:
                raise ConfigurationError(
                    f"This DataLoader gives item {index} twice, but a result counts each item "
                    f"once. {_ORDERED}"
                )
            self._seen.add(index)

    def finish(self) -> None:
        """Checks that no item is missing."""
        due = self._length if self._in_order else named_items(self._loader)
        if due is not None and len(self._seen) < due:
            raise ConfigurationError(
                f"This DataLoader left items out: it gave {len(self._seen)} of {due}. Use "
                "drop_last=False and a batch sampler that leaves out none; for a part of a data "
                "set give torch.utils.data.Subset."
            )


_ORDERED: Final = (
    "Give the data set itself, or a DataLoader with shuffle=False and no sampler of your own."
)


def _plain(item: Any, length: int | None) -> Hashable:
    """Returns an index as a number from 0, a key as it is."""
    try:
        index = operator.index(item)
    except TypeError:
        return item  # type: ignore[no-any-return] # an unhashable key fails in the set, as it would
    return index + length if index < 0 and length is not None else index
