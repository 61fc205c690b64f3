from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from tests.tiny import tiny_linear
from torch import nn

from fmnistlab.data import HorizontalFlip, RandomShift
from fmnistlab.errors import ConfigurationError
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.optimizers import OptimizerName
from fmnistlab.training.recipes.recipe import Recipe


def test_the_classic_recipe_is_the_tutorials() -> None:
    assert CLASSIC.epochs == 10
    assert CLASSIC.batch_size == 32
    optimizer = CLASSIC.make_optimizer(tiny_linear())
    plain = torch.optim.Adam(tiny_linear().parameters())
    assert type(optimizer) is torch.optim.Adam
    for name in ("lr", "betas", "eps", "weight_decay", "amsgrad"):
        assert optimizer.defaults[name] == plain.defaults[name]


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"epochs": -1},
        {"epochs": True},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": -1.0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"weight_decay": -0.1},
        {"momentum": 1.0},
        {"label_smoothing": 1.0},
        {"optimizer": "adan"},
        {"schedule": "onecycle"},
        {"batchsize": 3},
    ],
    ids=str,
)
@pytest.mark.usefixtures("no_checker")
def test_impossible_settings_are_refused_by_name(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(changes))):
        CLASSIC.replace(**changes)


@pytest.mark.usefixtures("no_checker")
def test_near_misses_get_a_suggestion() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'one_cycle'"):
        CLASSIC.replace(schedule="onecycle")
    with pytest.raises(ConfigurationError, match="Did you mean 'batch_size'"):
        CLASSIC.replace(batchsize=3)


@pytest.mark.parametrize(
    "recipe",
    [
        CLASSIC,
        Recipe(
            epochs=3,
            batch_size=7,
            optimizer="sgd",
            learning_rate=0.1,
            weight_decay=0.01,
            momentum=0.9,
            schedule="one_cycle",
            label_smoothing=0.1,
            augmentation=(HorizontalFlip(0.3), RandomShift(1)),
        ),
    ],
)
def test_recipes_survive_their_description(recipe: Recipe) -> None:
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_functions_of_the_users_own_have_no_description() -> None:
    with pytest.raises(ConfigurationError, match="give the recipe again"):
        Recipe(optimizer=torch.optim.SGD).to_dict()
    with pytest.raises(ConfigurationError, match="give the recipe again"):
        Recipe(loss=nn.functional.cross_entropy).to_dict()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_optimizers_take_the_settings(name: Any, kind: type) -> None:
    optimizer = Recipe(optimizer=name, learning_rate=0.5, weight_decay=0.25).make_optimizer(
        tiny_linear()
    )
    assert type(optimizer) is kind
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (0.5, 0.25)


def test_an_optimizer_of_ones_own_gets_the_trainable_parameters() -> None:
    model = tiny_linear()
    model.get_parameter("1.bias").requires_grad_(False)
    optimizer = Recipe(optimizer=lambda p: torch.optim.RMSprop(p, lr=0.3)).make_optimizer(model)
    assert type(optimizer) is torch.optim.RMSprop
    assert [len(group["params"]) for group in optimizer.param_groups] == [1]


def test_a_model_without_parameters_cannot_be_trained() -> None:
    with pytest.raises(ConfigurationError, match="Flatten has no parameters"):
        CLASSIC.make_optimizer(nn.Flatten())


def test_label_smoothing_is_for_training_only() -> None:
    logits, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    smooth, plain = Recipe(label_smoothing=0.2), Recipe()
    assert torch.equal(smooth.evaluation_loss(logits, labels), plain.training_loss(logits, labels))
    assert smooth.training_loss(logits, labels) > plain.training_loss(logits, labels)


def test_a_loss_of_ones_own_serves_both() -> None:
    recipe = Recipe(loss=lambda logits, labels: logits.sum() * 0 + 3)
    logits, labels = torch.zeros(2, 10), torch.zeros(2, dtype=torch.int64)
    assert recipe.training_loss(logits, labels) == recipe.evaluation_loss(logits, labels) == 3


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CLASSIC.epochs = 3  # type: ignore[misc] # on purpose


def test_a_momentum_that_thaws_later_is_no_harm() -> None:
    """Torch's fused kernel fails where some parameters have a momentum and others have none."""
    model = tiny_linear()
    optimizer = Recipe(optimizer="sgd", momentum=0.9).make_optimizer(model)
    weight, bias = model.parameters()
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    bias.grad = torch.ones_like(bias)
    optimizer.step()


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_weights_with_gaps_are_moved_as_by_an_optimizer_that_is_not_fused(
    name: OptimizerName,
) -> None:
    """Torch's fused kernels walk through memory, and so into the gaps."""
    wide = [torch.arange(24, dtype=torch.float32).reshape(4, 6) for _ in range(2)]
    weights = [nn.Parameter(matrix[:, :3]) for matrix in wide]
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    model = nn.Module()
    model.weight = weights[0]
    optimizers = [
        Recipe(optimizer=name).make_optimizer(model),
        kinds[name]([weights[1]], lr=1e-3, weight_decay=0.0),
    ]
    for weight, optimizer in zip(weights, optimizers, strict=True):
        weight.grad = torch.ones(4, 3)
        optimizer.step()
    torch.testing.assert_close(wide[0], wide[1])
