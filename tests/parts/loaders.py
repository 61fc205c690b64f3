"""Data sets and DataLoaders, with samplers of all kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from tests.parts.row import ADAM, Case, Row
from tests.tiny import Items, tiny_linear, tiny_set
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from fmnistlab.data import (
    AlternatingFlip,
    HorizontalFlip,
    RandomAffine,
    RandomErasing,
    RandomShift,
)
from fmnistlab.training.execution import Execution
from fmnistlab.training.trainer import Trainer


def floats() -> Items:
    return Items(tiny_set())


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def random_sampler() -> DataLoader[Any]:
    data = floats()
    return DataLoader(data, batch_size=8, sampler=RandomSampler(data, generator=generator()))


def weighted() -> DataLoader[Any]:
    sampler = WeightedRandomSampler([*range(1, 41)], 40, generator=generator())
    return DataLoader(floats(), batch_size=8, sampler=sampler)


def subset() -> DataLoader[Any]:
    sampler = SubsetRandomSampler(range(0, 40, 2), generator=generator())
    return DataLoader(floats(), batch_size=8, sampler=sampler)


def shuffled_batches() -> DataLoader[Any]:
    sampler = BatchSampler(RandomSampler(range(40), generator=generator()), 8, drop_last=False)
    return DataLoader(floats(), batch_sampler=sampler)


class Distributed(Sampler[int]):
    """A sampler that must be told the epoch, as torch's for several processes."""

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return 40

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(40, generator=torch.Generator().manual_seed(self.epoch))
        return iter(order.tolist())


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(floats())


class Jittered(Items):
    """Draws from torch's and numpy's global generators for each item.

    Not from Python's, which the type checker of these tests draws from as well.
    """

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, label = super().__getitem__(index)
        factor = np.random.uniform(0.5, 0.9)  # noqa: NPY002 - the global one is meant
        return image * factor + torch.rand(()) / 10, label


def own_collate(pairs: list[Any]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*pairs, strict=True)
    return torch.stack(images).flip(-1), torch.stack(labels)


def trained() -> Trainer:
    return Trainer(tiny_linear(), ADAM, device="cpu")


def predicts_shuffled(way: Execution) -> None:
    trained().predict(shuffled_batches())


def predicts_weighted(way: Execution) -> None:
    trained().predict(weighted())


def evaluates_repeated(way: Execution) -> None:
    repeated = BatchSampler([0] * 640, 8, drop_last=False)
    trained().evaluate(DataLoader(floats(), batch_sampler=repeated))


def evaluates_dropped(way: Execution) -> None:
    trained().evaluate(DataLoader(floats(), batch_size=16, drop_last=True))


def evaluates_in_order(way: Execution) -> None:
    """A plain loader gives what the data set gives."""
    trainer = trained()
    loader = DataLoader(floats(), batch_size=7)
    assert trainer.evaluate(loader).count == 40
    assert trainer.evaluate(loader).accuracy == trainer.evaluate(floats()).accuracy
    ours = trainer.predict(floats()).probabilities
    assert torch.allclose(ours, trainer.predict(loader).probabilities)


def halves() -> Dataset[Any]:
    return ConcatDataset([Subset(floats(), range(20)), Subset(floats(), range(20, 40))])


ROWS: list[Row | Case] = [
    Row(part="a data set of one's own", data=floats),
    Row(part="`Subset`, `ConcatDataset`", data=halves),
    Row(
        part="`HorizontalFlip`, `RandomShift` of the recipe",
        recipe=ADAM.replace(augmentation=(HorizontalFlip(), RandomShift(2))),
        recordable=True,
    ),
    Row(
        part="`AlternatingFlip`, `RandomErasing`, `RandomAffine` of the recipe",
        recipe=ADAM.replace(augmentation=(AlternatingFlip(), RandomErasing(), RandomAffine())),
        recordable=True,
    ),
    Row(part="a data set that draws random numbers itself", data=lambda: Jittered(tiny_set())),
    Row(
        part="DataLoader, `shuffle=True`",
        data=lambda: DataLoader(floats(), batch_size=8, shuffle=True),
    ),
    Row(part="DataLoader, `RandomSampler` with a generator", data=random_sampler),
    Row(part="DataLoader, `WeightedRandomSampler`", data=weighted),
    Row(part="DataLoader, `SubsetRandomSampler`", data=subset),
    Row(part="DataLoader, a `batch_sampler` that shuffles", data=shuffled_batches),
    Row(
        part="DataLoader, `drop_last=True`",
        data=lambda: DataLoader(floats(), batch_size=16, shuffle=True, drop_last=True),
    ),
    Row(
        part="DataLoader, a sampler with `set_epoch`",
        data=lambda: DataLoader(floats(), batch_size=8, sampler=Distributed()),
    ),
    Row(
        part="DataLoader, a worker process",
        data=lambda: DataLoader(floats(), batch_size=20, shuffle=True, num_workers=1),
    ),
    Row(
        part="DataLoader, `collate_fn`",
        data=lambda: DataLoader(floats(), batch_size=8, collate_fn=own_collate),
    ),
    Row(part="DataLoader of an `IterableDataset`", data=lambda: DataLoader(Stream(), batch_size=8)),
    Row(
        part="DataLoader together with the recipe's augmentation",
        data=random_sampler,
        recipe=ADAM.replace(augmentation=(HorizontalFlip(),)),
        refused="DataLoader",
    ),
    Case(part="`evaluate`, `predict` with a plain DataLoader", run=evaluates_in_order),
    Case(
        part="`predict` with a `batch_sampler` that shuffles",
        run=predicts_shuffled,
        refused="DataLoader",
    ),
    Case(
        part="`predict` with a `WeightedRandomSampler`", run=predicts_weighted, refused="DataLoader"
    ),
    Case(
        part="`evaluate` with a loader that repeats an image",
        run=evaluates_repeated,
        refused="DataLoader",
    ),
    Case(part="`evaluate` with `drop_last=True`", run=evaluates_dropped, refused="drop_last"),
]
