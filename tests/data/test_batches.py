from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny import Items, tiny_set
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    SubsetRandomSampler,
    TensorDataset,
)

from fmnistlab.data import HorizontalFlip, RandomShift
from fmnistlab.data.batch import Batch, BatchSource
from fmnistlab.data.batches import DatasetBatches, ResidentBatches, batch_source
from fmnistlab.data.loader_batches import LoaderBatches
from fmnistlab.errors import ConfigurationError

CPU = torch.device("cpu")


def source_of(data: Any, batch_size: int = 8, **options: Any) -> BatchSource:
    return batch_source(data, device=CPU, batch_size=batch_size, **options)


def joined(batches: list[Batch]) -> tuple[Tensor, Tensor]:
    return torch.cat([b.images for b in batches]), torch.cat([b.labels for b in batches])


def numbered_set(count: int) -> TensorDataset:
    return TensorDataset(torch.zeros(count, 1, 2, 2), torch.arange(count))


@given(st.integers(1, 70), st.integers(1, 20), st.integers(0, 5), st.integers(1, 9))
def test_an_epoch_visits_each_item_once_in_batches_of_the_size(
    count: int, batch_size: int, seed: int, epoch: int
) -> None:
    source = source_of(numbered_set(count), batch_size, seed=seed)
    batches = list(source.training_batches(epoch))
    sizes = [len(batch.labels) for batch in batches]
    assert sorted(joined(batches)[1].tolist()) == list(range(count))
    assert len(batches) == source.steps_per_epoch
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] <= batch_size + 1


@given(st.integers(2, 70), st.integers(2, 20))
def test_no_batch_holds_a_single_item(count: int, batch_size: int) -> None:
    """Batch normalisation cannot learn from one item."""
    source = source_of(numbered_set(count), batch_size)
    assert min(len(batch.labels) for batch in source.training_batches(1)) >= 2


@pytest.mark.parametrize("augmentation", [(), (HorizontalFlip(), RandomShift())])
def test_the_resident_and_the_plain_path_give_the_same_bits(
    augmentation: tuple[HorizontalFlip | RandomShift, ...],
) -> None:
    resident = source_of(tiny_set(), seed=3, augmentation=augmentation)
    plain = source_of(Items(tiny_set()), seed=3, augmentation=augmentation)
    assert isinstance(resident, ResidentBatches)
    assert isinstance(plain, DatasetBatches)
    pairs = [
        (list(resident.training_batches(2)), list(plain.training_batches(2))),
        (list(resident.evaluation_batches()), list(plain.evaluation_batches())),
        ([resident.example()], [plain.example()]),
    ]
    for fast, slow in pairs:
        for one, other in zip(fast, slow, strict=True):
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.labels, other.labels)
            assert one.images.dtype == torch.float32
            assert one.labels.dtype == torch.int64


@given(st.integers(1, 17), st.integers(1, 17))
def test_augmentation_of_an_item_does_not_depend_on_the_batch_size(one: int, other: int) -> None:
    data = tiny_set(34)
    changes = (HorizontalFlip(), RandomShift(3))
    images = []
    for batch_size in (one, other):
        source = source_of(data, batch_size, seed=1, augmentation=changes)
        images.append(joined(list(source.training_batches(4)))[0])
    assert torch.equal(*images)


def test_two_augmentations_use_different_numbers() -> None:
    data = TensorDataset(
        torch.linspace(0, 1, 784).view(1, 1, 28, 28).repeat(64, 1, 1, 1), torch.zeros(64)
    )
    twice = source_of(data, 64, augmentation=(HorizontalFlip(), HorizontalFlip()))
    images = next(twice.training_batches(1)).images
    # If both used the same numbers, every image would be flipped twice or never.
    assert 0 < sum(bool((image != data.tensors[0][0]).any()) for image in images) < 64


def test_evaluation_keeps_the_order_and_never_augments() -> None:
    data = tiny_set(2500)
    source = source_of(data, augmentation=(HorizontalFlip(1.0),))
    images, labels = joined(list(source.evaluation_batches()))
    assert torch.equal(images, data.tensors[0].float().div(255))
    assert torch.equal(labels, data.tensors[1])


def test_a_loader_keeps_its_own_batches_and_order() -> None:
    loader = DataLoader(numbered_set(10), batch_size=4, shuffle=True)
    source = source_of(loader)
    assert isinstance(source, LoaderBatches)
    assert (source.count, source.steps_per_epoch, source.smallest_batch) == (10, 3, 2)
    assert [len(batch.labels) for batch in source.training_batches(1)] == [4, 4, 2]
    assert len(source.example().labels) == 4
    subset = source_of(DataLoader(numbered_set(10), sampler=SubsetRandomSampler([1, 2, 3])))
    assert subset.count == 3


class Stream(IterableDataset[tuple[Tensor, int]]):
    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        return ((torch.zeros(1, 2, 2), label) for label in range(self.count))


def test_a_stream_in_a_loader_has_no_known_length() -> None:
    source = source_of(DataLoader(Stream(6), batch_size=4))
    assert (source.count, source.steps_per_epoch) == (None, None)
    assert [len(batch.labels) for batch in source.training_batches(1)] == [4, 2]


def test_a_sampler_hears_of_the_epoch() -> None:
    class Sampler(SubsetRandomSampler):
        heard = 0

        def set_epoch(self, epoch: int) -> None:
            self.heard = epoch

    sampler = Sampler([0, 1])
    source = source_of(DataLoader(numbered_set(4), sampler=sampler))
    list(source.training_batches(7))
    assert sampler.heard == 7


class Pictures(Dataset[Any]):
    """Items that no tensor can be made of."""

    def __init__(self, item: object, count: int = 3) -> None:
        self.item, self.count = item, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> object:
        return self.item


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (Stream(3), "Stream is not a data set that can be indexed"),
        ([], "has no items"),
        (object(), "object is not a data set that can be indexed"),
        (Pictures((object(), 1)), "must be pairs of a tensor"),
        (Pictures(torch.zeros(1, 28, 28)), "must give pairs"),
        (Pictures((torch.zeros(1), 1, 1)), "must give pairs"),
        (DataLoader(cast("Any", [{"a": 1}])), "must give pairs"),
    ],
)
def test_what_is_no_data_set_is_refused_with_advice(data: object, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        source_of(data).example()


def test_an_empty_loader_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="gives no batches"):
        source_of(DataLoader(Stream(0))).example()


def test_a_loader_cannot_be_augmented() -> None:
    with pytest.raises(ConfigurationError, match="does not tell which items"):
        source_of(DataLoader(numbered_set(4)), augmentation=(HorizontalFlip(),))


def test_one_hot_labels_stay_floats() -> None:
    data = TensorDataset(torch.zeros(4, 1, 28, 28, dtype=torch.float64), torch.eye(4).double())
    batch = source_of(data).example()
    assert batch.images.dtype == batch.labels.dtype == torch.float32
