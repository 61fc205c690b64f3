"""What a trainer is given and cannot use is refused by name; what it is lent stays as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tests.tiny import tiny_linear, tiny_set
from torch import nn
from torch.utils.data import TensorDataset

from fmnistlab import fit_seeds, learning_rate_range
from fmnistlab.callbacks import LogLines
from fmnistlab.errors import ConfigurationError, NonFiniteError
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

SMALL = Recipe(epochs=2, batch_size=8)


@pytest.mark.parametrize("recipe", ["fast", {}, None])
@pytest.mark.usefixtures("no_checker")
def test_what_is_no_recipe_is_refused(recipe: Any) -> None:
    for use in (
        lambda: Trainer("linearnet", recipe),
        lambda: fit_seeds("linearnet", tiny_set(), seeds=[0], recipe=recipe),
        lambda: learning_rate_range("linearnet", tiny_set(), recipe=recipe),
    ):
        with pytest.raises(ConfigurationError, match=r"recipe is .*; use a Recipe"):
            use()


@pytest.mark.usefixtures("no_checker")
def test_a_callback_that_is_in_no_list_is_refused() -> None:
    given: Any = LogLines()
    with pytest.raises(ConfigurationError, match=r"callbacks is .*a list of callbacks"):
        Trainer("linearnet", callbacks=given)


@pytest.mark.usefixtures("no_checker")
def test_an_optimizer_function_must_make_one() -> None:
    recipe = Recipe(optimizer=lambda _: 1)  # type: ignore[arg-type, return-value] # on purpose
    with pytest.raises(ConfigurationError, match=r"makes is 1; use .*torch\.optim\.Optimizer"):
        Trainer(tiny_linear(), recipe).fit(tiny_set())


@pytest.mark.parametrize(
    ("settings", "labels"),
    [({"class_weights": (1.0, *[0.0] * 9)}, range(1, 10)), ({}, [-100])],
)
def test_a_batch_without_a_label_that_counts_is_named(
    settings: dict[str, Any], labels: Sequence[int]
) -> None:
    images, right = tiny_set().tensors
    asked = right.clone()
    asked[:] = torch.tensor([*labels])[torch.arange(len(right)) % len(labels)]
    asked[0] = 0
    data = torch.utils.data.TensorDataset(images, asked)
    trainer = Trainer(tiny_linear(), Recipe(batch_size=4, **settings), device="cpu")
    with pytest.raises(NonFiniteError, match="no label in this batch counts"):
        trainer.fit(data)


def test_a_loss_that_writes_into_labels_leaves_the_data_alone() -> None:
    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        labels[labels == 9] = 8
        return nn.functional.cross_entropy(logits, labels)

    class Clamps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(784, 10)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.layer(images.mul_(0.5).flatten(1))
            return scores

    images, labels = tiny_set().tensors
    data = TensorDataset(images.float() / 255, labels.clone())
    before = [tensor.clone() for tensor in data.tensors]
    trainer = Trainer(Clamps(), SMALL.replace(loss=loss), device="cpu")
    trainer.fit(data, data)
    trainer.evaluate(data)
    trainer.predict(data)
    assert all(torch.equal(a, b) for a, b in zip(before, data.tensors, strict=True))


def test_what_a_loss_and_a_model_keep_from_a_measurement_can_be_learned_with() -> None:
    class Cached(nn.Module):
        """Keeps a tensor for each size of batch, from the first call on."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(784, 10)
            self.kept: dict[int, torch.Tensor] = {}

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            rows = images.flatten(1)
            scale = self.kept.setdefault(len(rows), torch.ones(len(rows), 1) * 0.5)
            scores: torch.Tensor = self.layer(rows) * scale
            return scores

    class Weighted:
        weights: torch.Tensor | None = None

        def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            if self.weights is None:
                self.weights = torch.ones(10)
            return nn.functional.cross_entropy(logits, labels, weight=self.weights)

    trainer = Trainer(Cached(), SMALL.replace(loss=Weighted()), device="cpu")
    trainer.evaluate(tiny_set(8))
    trainer.predict(tiny_set(8))
    trainer.fit(tiny_set(), tiny_set(8))


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("execution", ["auto", "eager"])
def test_a_model_without_a_gradient_is_refused(execution: Any, parts: int) -> None:
    class Detached(nn.Sequential):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = super().forward(images)
            return scores.detach()

    recipe = SMALL.replace(accumulation_steps=parts)
    trainer = Trainer(Detached(*tiny_linear()), recipe, device="cpu", execution=execution)
    with pytest.raises(ConfigurationError, match="loss of Detached depends on no parameter that"):
        trainer.fit(tiny_set())
