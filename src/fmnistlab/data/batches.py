"""Data sets cut into batches: seeded order, whole-batch gather, on any device.

Three sources with one face. A data set that lies in memory as tensors is moved to the device
once and a few batches are one gather from it; any other torch data set is asked item by item; a
DataLoader brings its own batches and order.
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
from collections.abc import Iterator, Sequence, Sized
from typing import NamedTuple, Protocol, TypeAlias, cast, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    TensorDataset,
    default_collate,
)

from fmnistlab import seeding
from fmnistlab.data.augmentation import Augmentation
from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Float, Int64, Shaped

EVALUATION_BATCH_SIZE = 1000
"""Images in one batch when nothing is learned; it changes speed, not results."""

_BATCHES_AT_ONCE = 16
"""Batches that are gathered and made floats together; more would only leave the caches."""

EXAMPLE_SIZE = 32
"""Images that a model is tried on before it is trained or evaluated."""

Data: TypeAlias = Dataset[tuple[Tensor, Tensor]] | DataLoader[tuple[Tensor, Tensor]]
"""What `Trainer.fit` takes: a data set or a loader of (image, label) pairs."""


class Batch(NamedTuple):
    """Some images and their labels, on the device.

    Attributes:
        images: float32 (batch, 1, 28, 28); pixels in 0..1 for the data of this package.
        labels: int64 (batch,), or float32 (batch, classes) if they are one-hot.
    """

    images: Float[Tensor, "batch ..."]
    labels: Shaped[Tensor, "batch ..."]


@runtime_checkable
class Resident(Protocol):
    """A data set that can hand over all of its items as two tensors."""

    def resident(self) -> tuple[Tensor, Tensor] | None:
        """Returns (images, labels), or None if items are changed on their way out.

        Images have the shape of a batch of items, (n, 1, 28, 28); uint8 images stand for the
        items' floats times 255.
        """
        ...


class BatchSource(abc.ABC):
    """One data set, cut into batches on one device."""

    @property
    @abc.abstractmethod
    def count(self) -> int | None:
        """Number of items, or None if only a full pass can tell."""

    @property
    @abc.abstractmethod
    def steps_per_epoch(self) -> int | None:
        """Number of training batches in an epoch, or None if only a full pass can tell."""

    @abc.abstractmethod
    def example(self) -> Batch:
        """Returns a few items, at most `EXAMPLE_SIZE`, to try a model on."""

    @abc.abstractmethod
    def training_batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields each item once, in the order of this epoch (from 1), augmented.

        Args:
            epoch: number of the epoch.
            start: batches at the beginning that are left out.
        """

    @abc.abstractmethod
    def evaluation_batches(self) -> Iterator[Batch]:
        """Yields each item once, in the order of the data set, never augmented."""


def batch_source(
    data: object,
    *,
    device: torch.device,
    batch_size: int,
    seed: int = 0,
    augmentation: Sequence[Augmentation] = (),
) -> BatchSource:
    """Returns the fastest source of batches that gives the items of `data` as they are.

    Args:
        data: a map-style data set of (image, label), or a DataLoader of batches of them.
        device: where the batches shall be.
        batch_size: images in a training batch, from 1; a DataLoader keeps its own.
        seed: together with the epoch it determines the order and the augmentation.
        augmentation: applied one after the other to training batches.

    Raises:
        ConfigurationError: `data` is of another kind, is empty, or is a DataLoader although the
            recipe augments.
    """
    if isinstance(data, DataLoader):
        if augmentation:
            raise ConfigurationError(
                "The recipe augments by item, but a DataLoader does not tell which items are in a "
                "batch. Give fit the data set itself, or augment in the data set's transform."
            )
        return LoaderBatches(data, device)
    if isinstance(data, IterableDataset) or not hasattr(data, "__getitem__"):
        raise ConfigurationError(
            f"{type(data).__name__} is not a data set that can be indexed. Give a map-style torch "
            "Dataset of (image, label), or put yours into a torch DataLoader."
        )
    if not isinstance(data, Sized) or len(data) == 0:
        raise ConfigurationError(f"The data set {type(data).__name__} has no items.")
    cutter = _Cutter(len(data), batch_size, seed, tuple(augmentation))
    tensors = resident_tensors(data)
    if tensors is not None:
        return ResidentBatches(*tensors, cutter, device)
    return DatasetBatches(cast("Dataset[tuple[Tensor, Tensor]]", data), cutter, device)


def resident_tensors(data: object) -> tuple[Tensor, Tensor] | None:
    """Returns all images and labels of a data set that lies in memory as tensors, else None."""
    if isinstance(data, Resident):
        return data.resident()
    if type(data) is TensorDataset and len(data.tensors) == 2:
        images, labels = data.tensors
        return images, labels
    return None


@dataclasses.dataclass(frozen=True)
class _Cutter:
    """Where a data set of `count` items is cut, in which order, and how items are changed."""

    count: int
    batch_size: int
    seed: int
    augmentation: tuple[Augmentation, ...]

    def bounds(self) -> list[tuple[int, int]]:
        """Returns start and stop of each batch.

        A last batch of a single item joins the batch before it, because batch normalisation
        cannot learn from one item.
        """
        starts = list(range(0, self.count, self.batch_size))
        if self.batch_size > 1 and self.count > 1 and self.count - starts[-1] == 1:
            starts.pop()
        return list(zip(starts, [*starts[1:], self.count], strict=True))

    def order(self, epoch: int) -> Int64[Tensor, "count"]:
        """Returns the numbers of all items in the order of an epoch."""
        return seeding.permutation(self.count, self.seed, epoch)

    def augment(self, images: Tensor, item: Tensor, epoch: int) -> Tensor:
        """Applies each augmentation with its own uniform numbers for each item."""
        draws = [change.draws for change in self.augmentation]
        uniform = seeding.uniform(sum(draws), item, seed=self.seed, epoch=epoch)
        for change, numbers in zip(self.augmentation, torch.split(uniform, draws, 1), strict=True):
            images = change(images, numbers)
        return images


class _CutBatches(BatchSource):
    """A source whose items are known by index, so that it cuts and orders them itself."""

    def __init__(self, cutter: _Cutter) -> None:
        self._cutter = cutter
        self._bounds = cutter.bounds()

    @property
    def count(self) -> int:
        """Number of items."""
        return self._cutter.count

    @property
    def steps_per_epoch(self) -> int:
        """Number of training batches in an epoch."""
        return len(self._bounds)


class ResidentBatches(_CutBatches):
    """All items as two tensors on the device; some batches are one gather, each of them a slice."""

    def __init__(
        self, images: Tensor, labels: Tensor, cutter: _Cutter, device: torch.device
    ) -> None:
        super().__init__(cutter)
        self._images = images.to(device)
        self._labels = labels.to(device)

    @property
    def augmented(self) -> bool:
        """Whether training images are changed."""
        return bool(self._cutter.augmentation)

    @property
    def batch_sizes(self) -> list[int]:
        """Images in each training batch of an epoch."""
        return [stop - start for start, stop in self._bounds]

    @property
    def stored(self) -> tuple[Tensor, Tensor]:
        """All images, as they are stored, and all labels, on the device."""
        return self._images, self._labels

    def order(self, epoch: int) -> Int64[Tensor, "count"]:
        """Returns the order of the items in an epoch, on the CPU."""
        return self._cutter.order(epoch)

    def example(self) -> Batch:
        """Returns the first few items."""
        return _as_batch(self._images[:EXAMPLE_SIZE], self._labels[:EXAMPLE_SIZE])

    def training_batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields each item once, in the order of this epoch, augmented."""
        order = self._cutter.order(epoch).to(self._images.device)
        labels = as_labels(self._labels.index_select(0, order))
        for number in range(start, len(self._bounds), _BATCHES_AT_ONCE):
            bounds = self._bounds[number : number + _BATCHES_AT_ONCE]
            first, last = bounds[0][0], bounds[-1][1]
            item = order[first:last]
            images = as_floats(self._images.index_select(0, item))
            if self._cutter.augmentation:
                images = self._cutter.augment(images, item, epoch)
            sizes = [after - before for before, after in bounds]
            parts = torch.split(images, sizes), torch.split(labels[first:last], sizes)
            yield from map(Batch, *parts)

    def evaluation_batches(self) -> Iterator[Batch]:
        """Yields each item once, in the order of the data set."""
        for start in range(0, self.count, EVALUATION_BATCH_SIZE):
            stop = start + EVALUATION_BATCH_SIZE
            yield _as_batch(self._images[start:stop], self._labels[start:stop])


class DatasetBatches(_CutBatches):
    """A torch data set of any kind, asked for its items batch by batch in this process."""

    def __init__(
        self, data: Dataset[tuple[Tensor, Tensor]], cutter: _Cutter, device: torch.device
    ) -> None:
        super().__init__(cutter)
        self._data = data
        self._device = device

    def example(self) -> Batch:
        """Returns the first few items."""
        return self._fetch(list(range(min(EXAMPLE_SIZE, self.count))))

    def training_batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields each item once, in the order of this epoch, augmented."""
        order = self._cutter.order(epoch)
        for first, last in self._bounds[start:]:
            item = order[first:last]
            batch = self._fetch(item.tolist())
            if self._cutter.augmentation:
                changed = self._cutter.augment(batch.images, item.to(self._device), epoch)
                batch = Batch(changed, batch.labels)
            yield batch

    def evaluation_batches(self) -> Iterator[Batch]:
        """Yields each item once, in the order of the data set."""
        for start in range(0, self.count, EVALUATION_BATCH_SIZE):
            stop = min(start + EVALUATION_BATCH_SIZE, self.count)
            yield self._fetch(list(range(start, stop)))

    def _fetch(self, items: list[int]) -> Batch:
        fetch = getattr(self._data, "__getitems__", None)
        pairs = fetch(items) if fetch is not None else [self._data[item] for item in items]
        try:
            collated = default_collate(pairs)
        except TypeError as error:
            raise ConfigurationError(
                f"The items of {type(self._data).__name__} must be pairs of a tensor (or array) "
                f"and a label: {error}"
            ) from error
        return _to_device(collated, self._device, type(self._data).__name__)


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
        return itertools.islice(self.evaluation_batches(), start, None)

    def evaluation_batches(self) -> Iterator[Batch]:
        """Yields the loader's batches, whatever their order."""
        for pair in self._loader:
            yield _to_device(pair, self._device, "The DataLoader")


def _to_device(pair: object, device: torch.device, owner: str) -> Batch:
    if not (
        isinstance(pair, Sequence)
        and len(pair) == 2
        and all(isinstance(part, Tensor) for part in pair)
    ):
        raise ConfigurationError(f"{owner} must give pairs (image, label), not {type(pair)}.")
    images, labels = cast("tuple[Tensor, Tensor]", pair)
    return _as_batch(images.to(device), labels.to(device))


def _as_batch(images: Tensor, labels: Tensor) -> Batch:
    """Makes images float32 and labels int64; uint8 pixels become fractions of 255."""
    return Batch(as_floats(images), as_labels(labels))


def as_floats(images: Tensor) -> Tensor:
    """Returns images as float32; uint8 pixels become fractions of 255."""
    return images.div(255) if images.dtype == torch.uint8 else images.to(torch.float32)


def as_labels(labels: Tensor) -> Tensor:
    """Returns labels as a loss takes them: int64, or float32 if they are one-hot."""
    return labels.to(torch.float32 if labels.is_floating_point() else torch.int64)
