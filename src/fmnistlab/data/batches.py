"""Data sets cut into batches: seeded order, whole-batch gather, on any device.

Three sources with one face. A data set that lies in memory as tensors is moved to the device
once and a few batches are one gather from it; any other torch data set is asked item by item; a
DataLoader brings its own batches and order.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence, Sized
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    default_collate,
)

from fmnistlab import seeding
from fmnistlab.data.augmentation.protocol import Augmentation, augmented
from fmnistlab.data.batch import (
    EXAMPLE_SIZE,
    Batch,
    BatchSource,
    as_batch,
    as_floats,
    as_labels,
    to_device,
)
from fmnistlab.data.item_check import LabelRule, check_images, check_labels
from fmnistlab.data.loader_batches import LoaderBatches
from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Int64

EVALUATION_BATCH_SIZE = 1000
"""Images in one batch when nothing is learned; it changes speed, not results."""

_BATCHES_AT_ONCE = 16
"""Batches that are gathered and made floats together; more would only leave the caches."""

Data: TypeAlias = Dataset[tuple[Any, ...]] | DataLoader[tuple[Any, ...]]
"""What `Trainer.fit` takes: a data set or a loader of (image, label) pairs; labels are tensors or
whole numbers. torch types the items of a `TensorDataset` as tuples of any length."""


@runtime_checkable
class Resident(Protocol):
    """A data set that can hand over all of its items as two tensors."""

    def resident(self) -> tuple[Tensor, Tensor] | None:
        """Returns (images, labels), or None if items are changed on their way out.

        Images have the shape of a batch of items, (n, 1, 28, 28); uint8 images stand for the
        items' floats times 255.
        """
        ...


def batch_source(
    data: object,
    *,
    device: torch.device,
    batch_size: int,
    seed: int = 0,
    augmentation: Sequence[Augmentation] = (),
    balanced: bool = False,
) -> BatchSource:
    """Returns the fastest source of batches that gives the items of `data` as they are.

    Args:
        data: a map-style data set of (image, label), or a DataLoader of batches of them.
        device: where the batches are to be.
        batch_size: images in a training batch, from 1; a DataLoader keeps its own.
        seed: together with the epoch it determines the order and the augmentation.
        augmentation: applied one after the other to training batches.
        balanced: whether the items of a training epoch are drawn with replacement, each class as
            often as the others.

    Raises:
        ConfigurationError: `data` is of another kind, is empty, or is a DataLoader although the
            recipe augments, or does not lie in memory although it is to be balanced.
        ItemError: it lies in memory, and its images cannot be right.
    """
    if isinstance(data, DataLoader):
        if augmentation:
            raise ConfigurationError(
                "The recipe augments by item, but a DataLoader does not tell which items are in a "
                "batch. Give fit the data set itself, or augment in the data set's transform."
            )
        if balanced:
            raise ConfigurationError(
                'The recipe has sampling="balanced", but a DataLoader has its own order. Give fit '
                "the data set itself, or the loader a torch.utils.data.WeightedRandomSampler."
            )
        return LoaderBatches(data, device)
    if isinstance(data, IterableDataset) or not hasattr(data, "__getitem__"):
        raise ConfigurationError(
            f"{type(data).__name__} is not a data set that can be indexed. Give a map-style torch "
            "Dataset of (image, label), or put yours into a torch DataLoader."
        )
    if not isinstance(data, Sized) or len(data) == 0:
        raise ConfigurationError(f"The data set {type(data).__name__} has no items.")
    plan = _BatchPlan(len(data), batch_size, seed, tuple(augmentation))
    tensors = resident_tensors(data)
    if tensors is not None:
        if balanced:
            plan = dataclasses.replace(plan, shares=_balanced_shares(tensors[1]))
        return ResidentBatches(*tensors, plan, device, type(data).__name__)
    if balanced:
        raise ConfigurationError(
            f'The recipe has sampling="balanced", but the labels of {type(data).__name__} are not '
            "known before they are read. Give a data set that lies in memory."
        )
    return DatasetBatches(cast("Dataset[tuple[Tensor, Tensor]]", data), plan, device)


def resident_tensors(data: object) -> tuple[Tensor, Tensor] | None:
    """Returns all images and labels of a data set that lies in memory as tensors, else None."""
    if isinstance(data, Resident):
        return data.resident()
    if type(data) is TensorDataset and len(data.tensors) == 2:
        images, labels = data.tensors
        return images, labels
    return None


def _balanced_shares(labels: Tensor) -> Tensor:
    """Returns 1 / images of its class for each item, 0 for one whose label is no class.

    Raises:
        ConfigurationError: none is.
    """
    numbers = (labels if labels.ndim == 1 else labels.argmax(dim=1)).cpu()
    if not bool((numbers >= 0).any()):
        raise ConfigurationError('sampling="balanced" needs images, and no label is a class.')
    _, place, counts = torch.unique(numbers, return_inverse=True, return_counts=True)
    shares: Tensor = counts.to(torch.float64)[place].reciprocal()
    return shares.where(numbers >= 0, 0.0)


@dataclasses.dataclass(frozen=True)
class _BatchPlan:
    """Where a data set of `count` items is cut, in which order, and how items are changed."""

    count: int
    batch_size: int
    seed: int
    augmentation: tuple[Augmentation, ...]
    shares: Tensor | None = None
    """How often each item is drawn, relatively, float64 (count,); None for each once."""

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
        """Returns the numbers of all items in the order of an epoch, or of those drawn for it."""
        if self.shares is None:
            return seeding.permutation(self.count, self.seed, epoch)
        return seeding.draw(self.shares, self.seed, epoch)

    def augment(self, images: Tensor, item: Tensor, epoch: int) -> Tensor:
        """Applies each augmentation with its own uniform numbers for each item."""
        return augmented(images, item, self.augmentation, seed=self.seed, epoch=epoch)


class _CutBatches(BatchSource):
    """A source whose items are known by index, so that it cuts and orders them itself."""

    def __init__(self, plan: _BatchPlan) -> None:
        self._plan = plan
        self._bounds = plan.bounds()

    @property
    def count(self) -> int:
        """Number of items."""
        return self._plan.count

    @property
    def steps_per_epoch(self) -> int:
        """Number of training batches in an epoch."""
        return len(self._bounds)

    @property
    def smallest_batch(self) -> int:
        """Images in the smallest training batch."""
        return min(stop - start for start, stop in self._bounds)

    def identity(self) -> str:
        """Returns the number of items, and nothing of what they are."""
        return f"{self.count} items"


class ResidentBatches(_CutBatches):
    """All items as two tensors on the device; some batches are one gather, each of them a slice."""

    def __init__(
        self, images: Tensor, labels: Tensor, plan: _BatchPlan, device: torch.device, owner: str
    ) -> None:
        super().__init__(plan)
        self._owner = owner
        check_images(images, owner, range(len(images)))
        self._images = images.to(device)
        self._labels = labels.to(device)

    def expect_labels(self, rule: LabelRule) -> None:
        """Checks all labels."""
        check_labels(self._labels, rule, self._owner, range(self.count))
        super().expect_labels(rule)

    @property
    def labels(self) -> Tensor:
        """All labels, as they are stored, on the device."""
        return self._labels

    @property
    def augmented(self) -> bool:
        """Whether training images are changed."""
        return bool(self._plan.augmentation)

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
        return self._plan.order(epoch)

    def identity(self) -> str:
        """Returns a SHA-256 over all images and labels in their order, in 64 digits."""
        digest = hashlib.sha256()
        for tensor in self.stored:
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def example(self) -> Batch:
        """Returns the first few items."""
        return self._cut(0, EXAMPLE_SIZE)

    def training_batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields each item once, in the order of this epoch, augmented."""
        order = self._plan.order(epoch).to(self._images.device)
        labels = as_labels(self._labels.index_select(0, order))
        for number in range(start, len(self._bounds), _BATCHES_AT_ONCE):
            bounds = self._bounds[number : number + _BATCHES_AT_ONCE]
            first, last = bounds[0][0], bounds[-1][1]
            item = order[first:last]
            images = as_floats(self._images.index_select(0, item))
            if self._plan.augmentation:
                images = self._plan.augment(images, item, epoch)
            sizes = [after - before for before, after in bounds]
            parts = torch.split(images, sizes), torch.split(labels[first:last], sizes)
            yield from map(Batch, *parts)

    def evaluation_batches(self, *, in_order: bool = False) -> Iterator[Batch]:
        """Yields each item once, always in the order of the data set."""
        for start in range(0, self.count, EVALUATION_BATCH_SIZE):
            yield self._cut(start, start + EVALUATION_BATCH_SIZE)

    def _cut(self, start: int, stop: int) -> Batch:
        """Returns copies, as a loader would: a model or a loss may write into what it is given."""
        return as_batch(self._images[start:stop].clone(), self._labels[start:stop].clone())


class DatasetBatches(_CutBatches):
    """A torch data set of any kind, asked for its items batch by batch in this process."""

    def __init__(
        self, data: Dataset[tuple[Tensor, Tensor]], plan: _BatchPlan, device: torch.device
    ) -> None:
        super().__init__(plan)
        self._data = data
        self._device = device

    def example(self) -> Batch:
        """Returns the first few items."""
        return self._fetch(list(range(min(EXAMPLE_SIZE, self.count))))

    def training_batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields each item once, in the order of this epoch, augmented."""
        order = self._plan.order(epoch)
        for first, last in self._bounds[start:]:
            item = order[first:last]
            batch = self._fetch(item.tolist())
            if self._plan.augmentation:
                changed = self._plan.augment(batch.images, item.to(self._device), epoch)
                batch = Batch(changed, batch.labels)
            yield batch

    def evaluation_batches(self, *, in_order: bool = False) -> Iterator[Batch]:
        """Yields each item once, always in the order of the data set."""
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
        if len(pairs) != len(items):
            raise ConfigurationError(
                f"{type(self._data).__name__}.__getitems__ gave {len(pairs)} items where it was "
                f"asked for {len(items)}."
            )
        return to_device(
            collated, self._device, type(self._data).__name__, rule=self._label_rule, items=items
        )
