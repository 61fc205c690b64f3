"""Evaluations and predictions of DataLoaders: each item once, in order where that is promised."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny import tiny_linear, tiny_set
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from fmnistlab.data.batches import batch_source
from fmnistlab.data.loader_batches import LoaderBatches
from fmnistlab.errors import ConfigurationError
from fmnistlab.training.trainer import Trainer

CPU = torch.device("cpu")


def numbered(count: int = 10) -> TensorDataset:
    return TensorDataset(torch.zeros(count, 1, 2, 2), torch.arange(count))


def loader_source(loader: DataLoader[Any]) -> LoaderBatches:
    source = batch_source(loader, device=CPU, batch_size=1)
    assert isinstance(source, LoaderBatches)
    return source


def labels_of(loader: DataLoader[Any], *, in_order: bool = False) -> list[int]:
    batches = loader_source(loader).evaluation_batches(in_order=in_order)
    return [label for batch in batches for label in batch.labels.tolist()]


class Given(Sampler[Any]):
    """Gives what it was given."""

    def __init__(self, content: list[Any]) -> None:
        self.content = content

    def __iter__(self) -> Iterator[Any]:
        return iter(self.content)


def in_batches(indices: list[int], size: int) -> list[list[int]]:
    return [indices[at : at + size] for at in range(0, len(indices), size)]


@given(
    st.lists(st.integers(-10, 9), max_size=14), st.integers(1, 5), st.sampled_from(["one", "many"])
)
def test_whatever_a_sampler_does_each_item_counts_once(
    indices: list[int], size: int, kind: str
) -> None:
    """The judgement depends on the indices alone, not on who gives them."""
    if kind == "one":
        loader = DataLoader(numbered(), size, sampler=Given(indices))
    else:
        loader = DataLoader(numbered(), batch_sampler=Given(in_batches(indices, size)))
    visited = [index % 10 for index in indices]
    judged = (
        (False, len(set(visited)) == len(visited) and (kind == "one" or len(visited) == 10)),
        (True, visited == list(range(10))),
    )
    for in_order, good in judged:
        if good:
            assert labels_of(loader, in_order=in_order) == visited
        else:
            with pytest.raises(ConfigurationError, match=r"item|left items out"):
                labels_of(loader, in_order=in_order)


REFUSED: dict[str, tuple[Callable[[], DataLoader[Any]], str]] = {
    "one item 640 times": (
        lambda: DataLoader(numbered(), 64, sampler=Given([3] * 640)),
        "gives item 3 twice",
    ),
    "counted from both ends": (
        lambda: DataLoader(numbered(), 4, sampler=Given([7, 2, -3])),
        "gives item 7 twice",
    ),
    "drawn with replacement": (
        lambda: DataLoader(numbered(), 4, sampler=RandomSampler(numbered(), replacement=True)),
        "twice",
    ),
    "drawn by weight": (
        lambda: DataLoader(numbered(), sampler=WeightedRandomSampler([1.0] * 10, 40)),
        "twice",
    ),
    "last batch dropped": (lambda: DataLoader(numbered(), 4, drop_last=True), "it gave 8 of 10"),
    "last batch of a shuffle dropped": (
        lambda: DataLoader(numbered(), 4, shuffle=True, drop_last=True),
        "it gave 8 of 10",
    ),
    "batch sampler drops": (
        lambda: DataLoader(
            numbered(), batch_sampler=BatchSampler(SubsetRandomSampler(range(7)), 3, drop_last=True)
        ),
        "it gave 6 of 7",
    ),
    "sampler of batches drops": (
        lambda: DataLoader(
            numbered(), batch_size=None, sampler=BatchSampler(SequentialSampler(range(10)), 3, True)
        ),
        "it gave 9 of 10",
    ),
    "batch twice, by two workers": (
        lambda: DataLoader(numbered(), batch_sampler=[[0, 1], [2, 3], [0, 1]], num_workers=2),
        "gives item 0 twice",
    ),
    "collate_fn drops items": (
        lambda: DataLoader(
            numbered(), 5, collate_fn=lambda items: torch.utils.data.default_collate(items[1:])
        ),
        "made 4 images of 5 items",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_evaluation_refuses_what_is_not_each_item_once(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(ConfigurationError, match=words):
        labels_of(make())
    assert len(list(loader_source(make()).training_batches(1))) == len(list(make()))


MEASURED: dict[str, Callable[[], DataLoader[Any]]] = {
    "in order": lambda: DataLoader(numbered(), 3),
    "shuffled": lambda: DataLoader(numbered(), 3, shuffle=True),
    "workers": lambda: DataLoader(numbered(), 3, num_workers=2),
    "workers that stay": lambda: DataLoader(
        numbered(), 3, num_workers=1, persistent_workers=True, prefetch_factor=4
    ),
    "a list of batches": lambda: DataLoader(
        numbered(), batch_sampler=[[9, 8], [0, 1, 2, 3], [7, 6, 5, 4]]
    ),
    "sampler of batches": lambda: DataLoader(
        numbered(), batch_size=None, sampler=BatchSampler(RandomSampler(range(10)), 3, False)
    ),
    "indices as tensors": lambda: DataLoader(numbered(), 3, sampler=torch.randperm(10)),
    "subset": lambda: DataLoader(Subset(numbered(20), range(10)), 4, drop_last=False),
}


@pytest.mark.parametrize("name", MEASURED)
def test_an_evaluation_measures_each_item_once(name: str, caplog: pytest.LogCaptureFixture) -> None:
    loader = MEASURED[name]()
    source = loader_source(loader)
    for _ in range(2):
        assert len(source.example().labels) > 0
        found = [n for batch in source.evaluation_batches() for n in batch.labels.tolist()]
        assert sorted(found) == list(range(10))
    assert not caplog.records


@pytest.mark.parametrize(
    "make",
    [
        lambda data: DataLoader(data, 3, shuffle=True),
        lambda data: DataLoader(data, batch_sampler=BatchSampler(RandomSampler(data), 3, False)),
        lambda data: DataLoader(data, batch_size=None, sampler=Given([[1, 0], range(2, 10)])),
        lambda data: DataLoader(data, 3, sampler=Given([5, 6, 7, 8, 9])),
        lambda data: DataLoader(data, 3, sampler=Given([0, 1, 2])),
        lambda data: DataLoader(data, 3, drop_last=True),
        lambda data: DataLoader(data, 3, num_workers=2, in_order=False),
    ],
    ids=range(7),
)
def test_a_prediction_refuses_another_order(make: Callable[[object], DataLoader[Any]]) -> None:
    torch.manual_seed(1)
    data = tiny_set(10)
    with pytest.raises(ConfigurationError, match=r"Give the data set itself|left items out"):
        Trainer(tiny_linear(), device="cpu").predict(make(data))


@pytest.mark.parametrize(
    "make",
    [
        lambda data: DataLoader(data, 3),
        lambda data: DataLoader(data, 3, num_workers=2),
        lambda data: DataLoader(data, 3, in_order=False),
        lambda data: DataLoader(data, sampler=range(10)),
        lambda data: DataLoader(data, batch_sampler=[[0], [1, 2, 3], [*range(4, 10)]]),
        lambda data: DataLoader(data, 3, sampler=DistributedSampler(data, 1, 0, shuffle=False)),
        lambda data: DataLoader(data, batch_size=None, sampler=Given([[0, 1], [*range(2, 10)]])),
    ],
    ids=range(7),
)
def test_a_prediction_takes_any_sampler_that_keeps_the_order(
    make: Callable[[object], DataLoader[Any]],
) -> None:
    trainer, data = Trainer(tiny_linear(), device="cpu"), tiny_set(10)
    images = TensorDataset(data.tensors[0] / 255, data.tensors[1])
    assert torch.equal(trainer.predict(make(images)).labels, trainer.predict(data).labels)


def test_a_sampler_may_choose_a_part_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    source = loader_source(DataLoader(numbered(), 2, sampler=SubsetRandomSampler([1, 2, 3])))
    for _ in range(2):
        assert sum(len(batch.labels) for batch in source.evaluation_batches()) == 3
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "leaves out 7 items of TensorDataset" in record.getMessage()


class Stream(IterableDataset[Any]):
    """Two items from each worker, or told to have another number of them."""

    def __init__(self, length: int | None = None) -> None:
        self.length = length

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        return ((torch.zeros(1, 28, 28), label) for label in range(2))


class SizedStream(Stream):
    def __len__(self) -> int:
        assert self.length is not None
        return self.length


class OwnWay(DataLoader[Any]):
    """Gives its batches backwards."""

    def __iter__(self) -> Any:
        return iter([*super().__iter__()][::-1])


class OwnSettings(DataLoader[Any]):
    """Is made in a way of its own, and then a DataLoader like others."""

    def __init__(self, count: int) -> None:
        super().__init__(tiny_set(count), batch_size=3, shuffle=False)


def test_what_nobody_can_know_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    for loader in (DataLoader(Stream()), OwnWay(tiny_set(), 3)):
        source = loader_source(loader)
        for _ in range(2):
            list(source.evaluation_batches())
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("Stream gives its items itself, so it cannot be checked")
    assert told[1].startswith("OwnWay gives batches in a way of its own, so it cannot be checked")
    list(loader_source(OwnSettings(6)).evaluation_batches(in_order=True))
    assert len(caplog.records) == 2


def test_a_stream_is_predicted_as_it_comes_and_only_by_one_worker() -> None:
    trainer = Trainer(tiny_linear(), device="cpu")
    assert len(trainer.predict(DataLoader(Stream()))) == 2
    assert len(trainer.predict(DataLoader(Stream(), num_workers=1))) == 2
    with pytest.raises(ConfigurationError, match=r"Stream gives its items itself.* one worker"):
        trainer.predict(DataLoader(Stream(), num_workers=2))
    with pytest.raises(ConfigurationError, match="OwnWay gives batches in a way of its own"):
        trainer.predict(OwnWay(tiny_set(), 3))
    assert len(trainer.predict(OwnSettings(7))) == 7


def test_a_stream_that_every_worker_repeats_is_noticed_if_it_has_a_length() -> None:
    trainer = Trainer(tiny_linear(), device="cpu")
    assert trainer.evaluate(DataLoader(SizedStream(2))).count == 2
    with pytest.raises(ConfigurationError, match="4 images were measured, but the data has 2"):
        trainer.evaluate(DataLoader(SizedStream(2), num_workers=2))


class Eager(Sampler[int]):
    """Draws its order from a generator as soon as it is asked for an iterator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        return iter(torch.randperm(10, generator=self.generator).tolist())

    def __len__(self) -> int:
        return 10


class EagerBatches(Eager):
    """Likewise, whole batches."""

    def __iter__(self) -> Iterator[Any]:
        return iter(in_batches([*super().__iter__()], 4))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["loader", "sampler", "batch sampler", "batches", "global"])
def test_random_numbers_are_drawn_as_in_a_plain_loop(kind: str, workers: int) -> None:
    def make() -> tuple[DataLoader[Any], torch.Generator | None]:
        generator = torch.Generator().manual_seed(7)
        torch.manual_seed(7)
        options: dict[str, Any] = {"num_workers": workers}
        if kind == "loader":
            return DataLoader(numbered(), 3, True, generator=generator, **options), generator
        if kind == "sampler":
            return DataLoader(numbered(), 3, sampler=Eager(generator), **options), generator
        if kind == "batch sampler":
            batches = BatchSampler(RandomSampler(range(10), generator=generator), 3, False)
            return DataLoader(numbered(), batch_sampler=batches, **options), generator
        if kind == "batches":
            sampler = EagerBatches(generator)
            return DataLoader(numbered(), batch_sampler=sampler, **options), generator
        return DataLoader(numbered(), 3, shuffle=True, **options), None

    def states(generator: torch.Generator | None) -> list[Any]:
        own = [] if generator is None else generator.get_state().tolist()
        return [own, torch.get_rng_state().tolist()]

    loader, generator = make()
    expected = [[label for _, labels in loader for label in labels.tolist()] for _ in range(2)]
    after = states(generator)
    loader, generator = make()
    source = loader_source(loader)
    source.example()
    found = [
        [label for batch in batches for label in batch.labels.tolist()]
        for batches in (source.training_batches(1), source.evaluation_batches())
    ]
    assert found == expected
    assert states(generator) == after
    assert len(source.generators) == (kind != "global")


def test_every_sampler_hears_of_the_epoch() -> None:
    sampler: DistributedSampler[Any] = DistributedSampler(numbered(), 2, 0, shuffle=True)
    source = loader_source(DataLoader(numbered(), batch_sampler=BatchSampler(sampler, 2, False)))
    orders = [torch.cat([b.labels for b in source.training_batches(epoch)]) for epoch in (1, 2, 1)]
    assert sampler.epoch == 1
    assert torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[1])
