"""The batches of a torch DataLoader: its own order, its own workers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized
from typing import cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, SequentialSampler

from fmnistlab.data.batch import EXAMPLE_SIZE, Batch, BatchSource, to_device
from fmnistlab.errors import ConfigurationError


class LoaderBatches(BatchSource):
    """A DataLoader: its batches, its order, its workers."""

    def __init__(self, loader: DataLoader[tuple[Tensor, Tensor]], device: torch.device) -> None:
        self._loader = loader
        self._device = device

    @property
    def count(self) -> int | None:
        """Number of items that the loader's sampler names, if it can tell."""
        sampler = self._loader.sampler
        known = isinstance(sampler, Sized) and not isinstance(self._loader.dataset, IterableDataset)
        return len(cast("Sized", sampler)) if known else None

    @property
    def steps_per_epoch(self) -> int | None:
        """Number of batches, if the loader can tell."""
        try:
            return len(self._loader)
        except TypeError:
            return None

    @property
    def in_order(self) -> bool:
        """True if the loader visits its data set from first to last."""
        return isinstance(self._loader.dataset, IterableDataset) or isinstance(
            self._loader.sampler, SequentialSampler
        )

    def example(self) -> Batch:
        """Returns the beginning of the loader's first batch.

        Raises:
            ConfigurationError: the loader gives no batch.
        """
        for batch in self.evaluation_batches():
            return Batch(batch.images[:EXAMPLE_SIZE], batch.labels[:EXAMPLE_SIZE])
        raise ConfigurationError("The DataLoader gives no batches.")

    def training_batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields the loader's batches; `set_epoch` of its sampler is called if there is one."""
        set_epoch = getattr(self._loader.sampler, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
        batches = self.evaluation_batches()
        # Now and not later: what follows must find the random generators as a step left them.
        for _ in itertools.islice(batches, start):
            pass
        return batches

    def identity(self) -> str:
        """Returns what can be told without asking for all items: their number."""
        return f"{self.count} items, {self.steps_per_epoch} batches"

    @property
    def generators(self) -> list[torch.Generator]:
        """The loader's own generator and that of its sampler, each once."""
        owners = self._loader, self._loader.sampler
        found = [getattr(owner, "generator", None) for owner in owners]
        given = {id(g): g for g in found if isinstance(g, torch.Generator)}
        return list(given.values())

    def evaluation_batches(self) -> Iterator[Batch]:
        """Yields the loader's batches, whatever their order."""
        for pair in self._loader:
            yield to_device(pair, self._device, "The DataLoader")
