"""Pixels and labels that cannot be right: refused by name, in every way that data can come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny import Items, tiny_linear, tiny_set
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import fmnistlab
from fmnistlab.data.batches import batch_source
from fmnistlab.data.item_check import LabelRule, check_images, check_labels
from fmnistlab.errors import ItemError
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

GREY = torch.randint(0, 256, (30, 1, 28, 28), generator=torch.Generator().manual_seed(0))
UNIT = GREY / 255


class Plain(Dataset[Any]):
    """The items of some tensors, one by one."""

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)


WAYS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "resident": TensorDataset,
    "item by item": Plain,
    "loader": lambda images, labels: DataLoader(Plain(images, labels), 8),
    "stream of batches": lambda images, labels: DataLoader(
        cast("Any", [*zip(images.split(8), labels.split(8), strict=True)]), batch_size=None
    ),
}


def spoiled(value: float, item: int = 23) -> Tensor:
    images = UNIT.clone()
    images[item, 0, 14, 3] = value
    return images


WRONG_IMAGES = {
    "float 0 to 255": (GREY.float(), "not normalized. Divide grey levels by 255"),
    "double 0 to 255": (GREY.double(), "not normalized"),
    "half 0 to 255": (GREY.half(), "not normalized"),
    "bfloat16 0 to 255": (GREY.bfloat16(), "not normalized"),
    "centered grey levels": (GREY - 127.5, "from -127.5 to 127.5 .* not normalized"),
    "noisy grey levels": (GREY + 0.25, "not normalized"),
    "int64": (GREY, "are torch.int64. Give uint8"),
    "int32": (GREY.int(), "are torch.int32. Give uint8"),
    "int8": (GREY.div(2).to(torch.int8), "are torch.int8. Give uint8"),
    "bool": (GREY > 127, "are torch.bool. Give uint8"),
    "complex": (UNIT.to(torch.complex64), "are torch.complex64. Give uint8"),
    "uint8 that was divided": (GREY.div(255).round().to(torch.uint8), "no pixel is above 1"),
    "nan": (spoiled(torch.nan), "not finite numbers: (item 23|row 7 of a batch of 8)"),
    "infinity": (spoiled(torch.inf), "not finite numbers"),
    "minus infinity": (spoiled(-torch.inf), "not finite numbers"),
    "huge": (spoiled(1e30), "not normalized"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", WRONG_IMAGES)
def test_images_that_cannot_be_right_are_refused(name: str, way: str) -> None:
    images, words = WRONG_IMAGES[name]
    data = WAYS[way](images, torch.arange(30) % 10)
    trainer = Trainer(tiny_linear(), Recipe(batch_size=10), device="cpu")
    for use in (trainer.fit, trainer.evaluate, trainer.predict):
        with pytest.raises(ItemError, match=words):
            use(data)
    with pytest.raises(ItemError, match=words):
        trainer.fit(tiny_set(), data, epochs=1)


def test_a_late_batch_is_looked_at_too() -> None:
    """The first batches are as they should be; only the last item is not."""
    images = spoiled(torch.nan, item=29)
    trainer = Trainer(tiny_linear(), Recipe(batch_size=8), device="cpu")
    for way, place in (("item by item", "item 29"), ("loader", "row 5 of a batch of 6")):
        with pytest.raises(ItemError, match=place):
            trainer.fit(WAYS[way](images, torch.arange(30) % 10))
    with pytest.raises(ItemError, match="item 29"):
        trainer.evaluate(WAYS["loader"](images, torch.arange(30) % 10))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.float32])
def test_floats_of_other_kinds_become_float32(kind: torch.dtype) -> None:
    for make in WAYS.values():
        data = make(UNIT.to(kind), torch.arange(30) % 10)
        source = batch_source(data, device=torch.device("cpu"), batch_size=8)
        batch = next(iter(source.training_batches(1)))
        assert batch.images.dtype == torch.float32
        assert torch.isin(batch.images, UNIT.to(kind).float()).all()


def test_normalized_pixels_of_every_usual_kind_pass() -> None:
    test = fmnistlab.FashionMNISTCSV.bundled("test").resident()
    assert test is not None
    raw, unit = test[0], test[0].float() / 255
    each = (unit - unit.mean(0)) / (unit.std(0) + 1e-9)
    whole = (unit - unit.mean()) / unit.std()
    for images in (
        raw,
        unit,
        whole,
        each,
        unit * 2 - 1,
        (unit - 0.485) / 0.229,
        1 - unit,
        unit * 0,
    ):
        check_images(images, "x")
        for image in images[:300]:
            check_images(image, "x")
    check_images(raw * 0, "x")
    for image in raw.float()[:300]:
        with pytest.raises(ItemError, match="not normalized"):
            check_images(image, "x")
        with pytest.raises(ItemError, match="not normalized"):
            check_images(image - raw.float().mean(), "x")
    check_images(raw[:0], "x")


RULE = LabelRule(10, -100, probabilities=True)

WRONG_LABELS = {
    "beyond the scores": (torch.tensor([3, 9, 10]), r"10 at item 12 .* 10 scores.* from 0 to 9"),
    "negative": (torch.tensor([3, -1, 9]), "-1 at item 11"),
    "uint8 beyond": (torch.tensor([3, 255], dtype=torch.uint8), "255 at item 11"),
    "floats": (torch.tensor([3.0, 1.0]), r"torch.float32 of shape \(2,\)"),
    "one column": (torch.tensor([[3.0], [1.0]]), "have 1 numbers for each image"),
    "whole numbers in a column": (torch.tensor([[3], [1]]), r"torch.int64 of shape \(2, 1\)"),
    "one-hot, but whole": (torch.eye(10).long(), r"one_hot\(labels, 10\).float\(\)"),
    "one-hot of more classes": (torch.eye(11), "have 11 numbers .* gives 10 scores"),
    "no probabilities": (torch.eye(10) * 2 - 1, "at item 10 .* from 0 to 1"),
    "percent": (torch.eye(10) * 100, "rows of probabilities"),
    "nan": (torch.full((2, 10), torch.nan), "at item 10"),
    "complex": (torch.ones(2, 10) + 1j, "complex"),
    "too deep": (torch.zeros(2, 10, 1), "of shape"),
}


@pytest.mark.parametrize("name", WRONG_LABELS)
def test_labels_that_cannot_be_right_are_refused(name: str) -> None:
    labels, words = WRONG_LABELS[name]
    with pytest.raises(ItemError, match=words):
        check_labels(labels, RULE, "x", range(10, 10 + len(labels)))


@given(st.lists(st.sampled_from([-100, *range(10)])), st.sampled_from([torch.int64, torch.int16]))
def test_labels_of_the_classes_pass(labels: list[int], kind: torch.dtype) -> None:
    check_labels(torch.tensor(labels, dtype=kind), RULE, "x")
    soft = torch.rand(len(labels), 10)
    check_labels(soft, RULE, "x")
    check_labels(soft * 9 - 4, LabelRule(10, -100, probabilities=False), "x")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("label", [10, -1, 255, 10**12])
@pytest.mark.parametrize("item", [2, 28])
def test_a_label_beyond_the_scores_is_named_in_training_and_evaluation(
    way: str, label: int, item: int
) -> None:
    labels = torch.arange(30) % 10
    labels[item] = label
    data = WAYS[way](UNIT, labels)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    good = TensorDataset(UNIT, labels.clamp(0, 9))
    for use in (
        lambda trainer: trainer.fit(data, epochs=1),
        lambda trainer: trainer.fit(good, data, epochs=1),
        lambda trainer: trainer.evaluate(data),
    ):
        trainer = Trainer(model, Recipe(batch_size=10), device="cpu")
        trainer.predict(good)  # so that the model's own check is over
        with pytest.raises(ItemError, match=rf"{label} at .* 10 scores"):
            use(trainer)
    assert len(Trainer(model, device="cpu").predict(data)) == 30  # labels are not read


def test_images_and_labels_come_in_pairs() -> None:
    loader = DataLoader(cast("Any", [(UNIT, torch.arange(29))]), batch_size=None)
    with pytest.raises(ItemError, match=r"\(30, 1, 28, 28\) with labels of shape \(29,\)"):
        Trainer(tiny_linear(), device="cpu").evaluate(loader)
    with pytest.raises(ItemError, match="a batch has one label for each image"):
        Trainer(tiny_linear(), device="cpu").evaluate(DataLoader(tiny_set(), batch_size=None))

    class Short(Items):
        def __getitems__(self, items: list[int]) -> list[tuple[Tensor, Tensor]]:
            return [self[0] for _ in items[1:]]

    with pytest.raises(
        fmnistlab.errors.ConfigurationError, match="gave 31 items where it was asked"
    ):
        Trainer(tiny_linear(), device="cpu").evaluate(Short(tiny_set()))
