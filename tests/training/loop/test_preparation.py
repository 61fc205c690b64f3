"""Models that cannot be trained on the data they get: named before the first step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.tiny import Items, tiny_linear, tiny_noisy, tiny_set
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from fmnistlab.errors import ConfigurationError
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer


def normalized() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10))


@pytest.mark.parametrize(
    ("data", "batch_size"),
    [
        (tiny_set(1), 32),
        (tiny_set(20), 1),
        (Items(tiny_set(1)), 32),
        (DataLoader(tiny_set(9), 4), 32),
        (DataLoader(tiny_set(9), 4, shuffle=True), 32),
        (DataLoader(tiny_set(9)), 32),
        (DataLoader(Subset(tiny_set(9), range(5)), 2), 32),
    ],
    ids=range(7),
)
def test_a_single_image_is_named_before_batch_normalization_fails(
    data: Any, batch_size: int
) -> None:
    trainer = Trainer(normalized(), Recipe(batch_size=batch_size), device="cpu")
    with pytest.raises(ConfigurationError, match="single image, from which BatchNorm1d"):
        trainer.fit(data)
    assert trainer.evaluate(tiny_set(1)).count == 1


@pytest.mark.parametrize(
    ("data", "batch_size"),
    [(tiny_set(9), 4), (DataLoader(tiny_set(9), 4, drop_last=True), 1), (tiny_set(2), 1000)],
    ids=range(3),
)
def test_batch_normalization_learns_from_more(data: Any, batch_size: int) -> None:
    trainer = Trainer(normalized(), Recipe(batch_size=batch_size), device="cpu")
    assert len(trainer.fit(data, epochs=1)) == 1


def test_one_image_is_enough_where_it_has_many_pixels() -> None:
    model = tiny_noisy()
    assert len(Trainer(model, Recipe(batch_size=1), device="cpu").fit(tiny_set(4), epochs=1)) == 1


class Converting(nn.Module):
    """Computes in double precision, and changes the images' type itself."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_linear().double()

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.inner(images.double())
        return scores


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_a_model_of_another_precision_is_named(kind: torch.dtype) -> None:
    images, labels = tiny_set().tensors
    data = TensorDataset(images / 255, labels)
    for use in ("fit", "evaluate", "predict"):
        trainer = Trainer(tiny_linear().to(kind), device="cpu")
        with pytest.raises(ConfigurationError, match=rf"weights of {kind} and fails .*model.float"):
            getattr(trainer, use)(data)


def test_a_model_that_converts_by_itself_is_taken() -> None:
    trainer = Trainer(Converting(), Recipe(batch_size=8), device="cpu")
    assert trainer.fit(tiny_set(), tiny_set(), epochs=2)[-1].val_count == 40


def test_predictions_do_not_read_labels() -> None:
    """Kaggle's test sets have the number of the image where the label would be."""
    images = tiny_set().tensors[0]
    for numbers in (torch.arange(40) + 60_000, torch.full((40,), -1), torch.rand(40, 3)):
        predictions = Trainer(tiny_linear(), device="cpu").predict(TensorDataset(images, numbers))
        assert len(predictions) == 40
