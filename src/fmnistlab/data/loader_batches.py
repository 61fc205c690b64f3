"""The batches of a torch DataLoader: its own order, its own workers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from fmnistlab.data.batch import EXAMPLE_SIZE, Batch, BatchSource, to_device
from fmnistlab.data.loader_watch import (
    LoaderWatch,
    length_of,
    named_items,
    samplers_of,
    unwatchable,
    with_settings_of,
)
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.global_random import random_states, restore_random_states
from fmnistlab.foundation.logger import get_logger

_logger = get_logger(__name__)


class LoaderBatches(BatchSource):
    """A DataLoader: its batches, its order, its workers.

    Samplers may do in a training whatever they like. In an evaluation the indices that they give
    are watched: each item counts once. Where they cannot be known, as with a stream or a loader
    with an `__iter__` of its own, a line in the log says so.
    """

    def __init__(self, loader: DataLoader[tuple[Tensor, Tensor]], device: torch.device) -> None:
        self._loader = loader
        self._device = device
        self._unwatchable = unwatchable(loader)
        self._watch = None if self._unwatchable else LoaderWatch(loader)
        self._told = False

    @property
    def count(self) -> int | None:
        """Number of items that the loader's sampler names, or its stream, if it can tell."""
        if self._loader.batch_sampler is None:
            return None  # the items may be batches
        streams = isinstance(self._loader.dataset, IterableDataset)
        return length_of(self._loader.dataset) if streams else named_items(self._loader)

    @property
    def steps_per_epoch(self) -> int | None:
        """Number of batches, if the loader can tell."""
        try:
            return len(self._loader)
        except TypeError:
            return None

    @property
    def smallest_batch(self) -> int | None:
        """Images in the smallest training batch, if the loader cuts batches of one size."""
        size, count = self._loader.batch_size, self.count
        if size is None or count is None:
            return None
        return size if self._loader.drop_last or count % size == 0 else count % size

    def example(self) -> Batch:
        """Returns the beginning of the loader's first batch, and puts random generators back.

        Raises:
            ConfigurationError: the loader gives no batch.
            ItemError: images or labels cannot be right.
        """
        loader: DataLoader[Any] = self._loader
        if self._unwatchable is None and loader.persistent_workers:
            loader = with_settings_of(loader, persistent_workers=False)
        states = [generator.get_state() for generator in self.generators]
        others = random_states(self._device)
        try:
            for pair in loader:
                batch = self._batch(pair, example=True)
                return Batch(batch.images[:EXAMPLE_SIZE], batch.labels[:EXAMPLE_SIZE])
        finally:
            restore_random_states(others, self._device)
            for generator, state in zip(self.generators, states, strict=True):
                generator.set_state(state)
        raise ConfigurationError("The DataLoader gives no batches.")

    def training_batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields the loader's batches; `set_epoch` of its samplers is called if they have one."""
        for sampler in samplers_of(self._loader):
            set_epoch = getattr(sampler, "set_epoch", None)
            if set_epoch is not None:
                set_epoch(epoch)
        pairs = iter(self._loader)
        # Now and not later: what follows must find the random generators as a step left them.
        for _ in itertools.islice(pairs, start):
            pass
        return map(self._batch, pairs)

    def identity(self) -> str:
        """Returns what can be told without asking for all items: their number."""
        return f"{self.count} items, {self.steps_per_epoch} batches"

    @property
    def generators(self) -> list[torch.Generator]:
        """The loader's own generator and those of its samplers, each once."""
        found = [
            getattr(owner, "generator", None)
            for owner in (self._loader, *samplers_of(self._loader))
        ]
        given = {id(g): g for g in found if isinstance(g, torch.Generator)}
        return list(given.values())

    def evaluation_batches(self, *, in_order: bool = False) -> Iterator[Batch]:
        """Yields the loader's batches; see `BatchSource`.

        Raises:
            ConfigurationError: an item comes twice, or not at all although the sampler names it,
                or in another order than was asked for.
            ItemError: images or labels cannot be right.
        """
        self._tell(in_order=in_order)
        if self._watch is None:
            yield from map(self._batch, self._loader)
            return
        for pair, items in self._watch.batches(in_order=in_order):
            batch = self._batch(pair, items)
            if items is not None and len(items) != len(batch.labels):
                raise ConfigurationError(
                    f"The DataLoader's collate_fn made {len(batch.labels)} images of {len(items)} "
                    "items, but a result counts each item once. Let it keep all of them."
                )
            yield batch

    def _tell(self, *, in_order: bool) -> None:
        """Says, once, what is not known about a pass; refuses what would be wrong without a sign.

        Raises:
            ConfigurationError: the order cannot be known.
        """
        streams = isinstance(self._loader.dataset, IterableDataset)
        if in_order and self._unwatchable and (not streams or self._loader.num_workers > 1):
            raise ConfigurationError(
                f"{self._unwatchable}, so it cannot be told which prediction belongs to which "
                "image. Give the data set itself, or a plain torch DataLoader; for a stream, one "
                "with at most one worker."
            )
        if self._told:
            return
        self._told = True
        if self._unwatchable:
            _logger.warning(
                "%s, so it cannot be checked that each item comes exactly once and in order",
                self._unwatchable,
            )
        elif self._watch is not None and self._watch.left_out:
            _logger.warning(
                "the DataLoader's sampler leaves out %d items of %s, which will not be judged; "
                "torch.utils.data.Subset says so without this line",
                self._watch.left_out,
                type(self._loader.dataset).__name__,
            )

    def _batch(
        self, pair: object, items: list[Any] | None = None, *, example: bool = False
    ) -> Batch:
        return to_device(
            pair,
            self._device,
            "the DataLoader",
            rule=self._label_rule,
            items=items,
            example=example,
        )
