"""Schedules: the rates they give, step by step, and what they need."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from tests.tiny import tiny_linear, tiny_set
from torch import nn

from fmnistlab.errors import ConfigurationError
from fmnistlab.recipes import Recipe
from fmnistlab.training.recipes.schedules import ScheduleName
from fmnistlab.training.trainer import Trainer


def rates(recipe: Recipe, steps: int) -> list[float]:
    optimizer = recipe.make_optimizer(tiny_linear())
    schedule = recipe.make_schedule(optimizer, steps)
    assert schedule is not None
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_cosine_falls_from_the_rate_to_nothing() -> None:
    seen = rates(Recipe(schedule="cosine", learning_rate=0.2), 100)
    assert seen[0] == 0.2
    assert seen == sorted(seen, reverse=True)
    assert seen[50] == pytest.approx(0.1)
    assert seen[-1] < 0.001


def test_one_cycle_peaks_at_the_rate_and_leaves_momentum_alone() -> None:
    recipe = Recipe(schedule="one_cycle", learning_rate=0.2, optimizer="sgd", momentum=0.5)
    seen = rates(recipe, 100)
    assert max(seen) == pytest.approx(0.2)
    assert seen.index(max(seen)) == 29  # OneCycleLR rises during the first 30 %
    optimizer = recipe.make_optimizer(tiny_linear())
    recipe.make_schedule(optimizer, 10)
    assert optimizer.param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_second_schedule_starts_where_the_first_did(schedule: Any) -> None:
    recipe = Recipe(schedule=schedule, learning_rate=0.2)
    optimizer = recipe.make_optimizer(tiny_linear())
    starts = []
    for _ in range(2):
        moving = recipe.make_schedule(optimizer, 5)
        assert moving is not None
        starts.append(optimizer.param_groups[0]["lr"])
        for _ in range(4):
            optimizer.step()
            moving.step()
    assert starts[0] == starts[1]


def test_a_schedule_needs_the_number_of_steps() -> None:
    recipe = Recipe(schedule="cosine")
    with pytest.raises(ConfigurationError, match="has no length"):
        recipe.make_schedule(recipe.make_optimizer(tiny_linear()), None)


def test_a_schedule_takes_each_groups_own_rate() -> None:
    """The recipe's learning rate is that of the optimizers known by name."""

    def two_groups(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        weight, bias = parameters
        groups: list[dict[str, Any]] = [{"params": [weight]}, {"params": [bias], "lr": 0.5}]
        return torch.optim.SGD(groups, lr=0.02)

    cases: tuple[tuple[ScheduleName, int], ...] = (("one_cycle", 29), ("cosine", 0))
    for schedule, at in cases:
        recipe = Recipe(optimizer=two_groups, schedule=schedule)
        optimizer = recipe.make_optimizer(tiny_linear())
        for _ in range(2):  # a second fit peaks where the first did
            moving = recipe.make_schedule(optimizer, 100)
            assert moving is not None
            seen = []
            for _ in range(100):
                seen.append([group["lr"] for group in optimizer.param_groups])
                optimizer.step()
                moving.step()
            assert max(rate for rate, _ in seen) == pytest.approx(0.02)
            assert max(rate for _, rate in seen) == pytest.approx(0.5)
            assert seen.index(max(seen)) == at


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_a_tensor_rate_stays_that_tensor(schedule: ScheduleName) -> None:
    """And it moves as a number does, in both of two fits."""
    given: list[torch.Tensor] = []

    def with_tensor(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        given.append(torch.tensor(0.02))
        return torch.optim.AdamW(parameters, given[0], foreach=False)

    recipe = Recipe(optimizer=with_tensor, schedule=schedule, epochs=1, batch_size=8)
    plain = recipe.replace(optimizer=lambda p: torch.optim.AdamW(p, 0.02, foreach=False))
    one, other = (Trainer(tiny_linear(), r, execution="eager") for r in (recipe, plain))
    for _ in range(2):
        one.fit(tiny_set())
        other.fit(tiny_set())
    assert one.optimizer is not None
    assert one.optimizer.param_groups[0]["lr"] is given[0]
    found = [row.learning_rate for row in one.history]
    assert found == pytest.approx([row.learning_rate for row in other.history])
    for mine, theirs in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


def test_linear_falls_in_a_line_to_nothing() -> None:
    seen = rates(Recipe(schedule="linear", learning_rate=0.2), 100)
    assert seen == pytest.approx([0.2 * (1 - step / 100) for step in range(100)])


def test_steps_lower_the_rate_after_their_epochs() -> None:
    recipe = Recipe(schedule="step", milestones=(2, 4), gamma=0.5, learning_rate=1.0, epochs=5)
    assert rates(recipe, 50) == [1.0] * 20 + [0.5] * 20 + [0.25] * 10


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear", "step"])
def test_a_warm_up_rises_in_a_line_and_the_schedule_follows(schedule: Any) -> None:
    milestones = (5,) if schedule == "step" else ()
    recipe = Recipe(
        schedule=schedule, warmup_epochs=1.5, milestones=milestones, learning_rate=1.0, epochs=10
    )
    seen = rates(recipe, 100)
    assert seen[:15] == pytest.approx([(step + 1) / 16 for step in range(15)])
    assert seen[15] == 1.0
    expected = {
        "constant": lambda step: 1.0,
        "cosine": lambda step: (1 + math.cos(math.pi * (step - 15) / 85)) / 2,
        "linear": lambda step: 1 - (step - 15) / 85,
        "step": lambda step: 1.0 if step < 50 else 0.1,
    }[schedule]
    assert seen[15:] == pytest.approx([expected(step) for step in range(15, 100)])


def test_a_warm_up_as_long_as_the_fit_is_refused() -> None:
    recipe = Recipe(schedule="linear", warmup_epochs=2, epochs=2, batch_size=8)
    with pytest.raises(ConfigurationError, match="warmup_epochs is 2, but the fit has 2 epochs"):
        Trainer(tiny_linear(), recipe).fit(tiny_set())
    optimizer = Recipe().make_optimizer(tiny_linear())
    with pytest.raises(ConfigurationError, match="with a warm-up needs the number of batches"):
        Recipe(warmup_epochs=1).make_schedule(optimizer, None)


def test_a_second_fit_warms_up_again() -> None:
    recipe = Recipe(schedule="linear", warmup_epochs=0.5, learning_rate=0.2)
    optimizer = recipe.make_optimizer(tiny_linear())
    starts = []
    for _ in range(2):
        schedule = recipe.make_schedule(optimizer, 40)
        assert schedule is not None
        starts.append(optimizer.param_groups[0]["lr"])
        for _ in range(39):
            optimizer.step()
            schedule.step()
    assert starts[0] == starts[1] == pytest.approx(0.2 / 3)


def test_a_plateau_lowers_the_rate_as_in_a_loop_written_by_hand() -> None:
    recipe = Recipe(
        epochs=8, batch_size=8, learning_rate=0.05, schedule="plateau", patience=0, gamma=0.5
    )
    trainer = Trainer(tiny_linear(), recipe, device="cpu")
    history = trainer.fit(tiny_set(), tiny_set(20, seed=3))
    parameter = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.Adam([parameter], 0.05)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    expected = []
    for record in history:
        expected.append(optimizer.param_groups[0]["lr"])
        assert record.val_loss is not None
        plateau.step(record.val_loss)
    # A record tells the rate of its epoch, before the plateau may lower it.
    assert [record.learning_rate for record in history] == expected
    assert len({*expected}) > 2


def test_a_plateau_of_the_validation_set_needs_one() -> None:
    recipe = Recipe(schedule="plateau", batch_size=8)
    with pytest.raises(ConfigurationError, match=r"watches val_loss.*no validation set"):
        Trainer(tiny_linear(), recipe).fit(tiny_set())
    Trainer(tiny_linear(), recipe.replace(plateau_metric="loss", epochs=1)).fit(tiny_set())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"schedule": "step"}, "needs milestones"),
        ({"milestones": (3,)}, 'milestones is .* only works with schedule="step"'),
        ({"schedule": "step", "milestones": (3, 2)}, "rising"),
        ({"schedule": "step", "milestones": (0,)}, "milestones is 0"),
        ({"schedule": "step", "milestones": 3}, "milestones is 3"),
        ({"schedule": "one_cycle", "warmup_epochs": 1}, "warmup_epochs is 1.0, which only works"),
        ({"schedule": "plateau", "plateau_metric": "val_f1"}, "plateau_metric is 'val_f1'"),
        ({"gamma": 1.0}, "gamma"),
        ({"patience": -1}, "patience"),
        ({"gamma": 0.5}, r"gamma is 0\.5, which only works"),
        ({"schedule": "cosine", "gamma": 0.5}, r"gamma is 0\.5, which only works"),
        ({"schedule": "step", "milestones": (2,), "patience": 2}, "patience is 2, which only"),
        ({"plateau_metric": "loss"}, "plateau_metric is 'loss', which only works"),
        ({"optimizer": torch.optim.SGD, "weight_decay": 0.1}, r"weight_decay is 0\.1, which only"),
        ({"clip_value": 1e39}, "clip_value"),
        ({"clip_norm": 1e39}, "clip_norm"),
        ({"class_weights": [1e300] * 10}, "class_weights"),
        ({"class_weights": [1e-46, *[1.0] * 9]}, "class_weights"),
        ({"class_weights": {0: 1.0}}, "class_weights"),
        ({"momentum": 0.9}, 'momentum is 0.9, which only works with optimizer="sgd"'),
        ({"optimizer": "sgd", "nesterov": True}, "nesterov is True"),
        ({"nesterov": 1}, "nesterov is 1"),
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"clip_value": -1.0}, "clip_value"),
        ({"accumulation_steps": 0}, "accumulation_steps"),
        ({"precision": "float16"}, "precision"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"sampling": "random"}, "sampling"),
        ({"class_weights": "equal"}, "class_weights"),
        ({"class_weights": (0.0,) * 10}, "class_weights"),
        ({"class_weights": (-1.0,)}, "class_weights"),
        ({"loss": torch.nn.functional.cross_entropy, "label_smoothing": 0.1}, "label_smoothing"),
        ({"loss": torch.nn.functional.cross_entropy, "class_weights": (1.0,)}, "class_weights"),
    ],
)
@pytest.mark.usefixtures("no_checker")
def test_impossible_and_pointless_settings_are_refused(
    settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Recipe(**settings)
