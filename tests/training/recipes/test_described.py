"""Recipes that hold code: named, compared part by part, and told."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import any_setting, json_values
from tests.tiny import tiny_noisy, tiny_set
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fmnistlab.callbacks import Checkpointing
from fmnistlab.data import HorizontalFlip
from fmnistlab.errors import CheckpointError
from fmnistlab.training.recipes.described import code_in, describe, difference
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer


def focal(logits: Tensor, labels: Tensor, gamma: float = 2.0) -> Tensor:
    loss = cross_entropy(logits, labels, reduction="none")
    return ((1 - torch.exp(-loss)) ** gamma * loss).mean()


def other_focal(logits: Tensor, labels: Tensor) -> Tensor:
    return focal(logits, labels, 1.0)


def made(rate: float) -> Callable[[Any], torch.optim.Optimizer]:
    return lambda parameters: torch.optim.SGD(parameters, rate)


class Scaled:
    """A loss that is an object."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels) * self.scale

    def bound(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self(logits, labels)


class Slotted:
    __slots__ = ("scale",)

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels) * self.scale


class Learned(nn.Module):
    """A loss with a parameter and a module inside; it can be a part of a model."""

    def __init__(self, smoothing: float = 0.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.inner = nn.CrossEntropyLoss(label_smoothing=smoothing)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.inner(logits * self.scale, labels)


@dataclasses.dataclass(frozen=True)
class Darken:
    """An augmentation as a user writes one."""

    draws: ClassVar[int] = 1
    amount: float = 0.5

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        return images * (1 - self.amount * uniform.view(-1, 1, 1, 1))


class Slow:
    """One that no file can describe."""

    draws: ClassVar[int] = 0

    def __init__(self, width: int) -> None:
        self.width = width

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        return images


WEIGHTS = torch.ones(10)
LIGHTER = torch.cat([WEIGHTS[:9], torch.tensor([0.5])])
SGD, partial = torch.optim.SGD, functools.partial
PARTS: list[tuple[str, Any, Any, str]] = [
    ("loss", focal, other_focal, r"loss .*:focal, but this one has .*:other_focal"),
    ("loss", focal, None, r"loss .*:focal, but this one has None"),
    ("loss", None, focal, r"loss None, but this one has .*:focal"),
    ("loss", partial(focal, gamma=1), partial(focal, gamma=3), r"keywords\.gamma 1, .* has 3"),
    ("loss", partial(focal, gamma=1), focal, r"loss\.keywords\.gamma|loss\.arguments|loss"),
    ("loss", Scaled(1.0), Scaled(2.0), r"loss\.scale 1\.0, but this one has 2\.0"),
    ("loss", Slotted(1.0), Slotted(2.0), r"loss\.scale 1\.0, but this one has 2\.0"),
    ("loss", Scaled(1.0).bound, Scaled(2.0).bound, r"loss\.of\.scale 1\.0"),
    ("loss", Scaled(1.0), Slotted(1.0), r"loss .*:Scaled, but this one has .*:Slotted"),
    ("loss", nn.CrossEntropyLoss(), nn.CrossEntropyLoss(ignore_index=3), r"ignore_index -100"),
    ("loss", nn.CrossEntropyLoss(WEIGHTS), nn.CrossEntropyLoss(LIGHTER), r"loss\.buffers\.weight"),
    ("loss", Learned(), Learned(0.1), r"loss\.modules\.inner\.label_smoothing 0\.0"),
    ("optimizer", SGD, torch.optim.RMSprop, r"optimizer torch\.optim\.sgd:SGD, but .*:RMSprop"),
    ("optimizer", partial(SGD, lr=0.1), partial(SGD, lr=0.2), r"optimizer\.keywords\.lr 0\.1"),
    ("optimizer", "adam", SGD, r"optimizer 'adam', but this one has torch\.optim\.sgd:SGD"),
    ("optimizer", made(0.1), made(0.2), r"optimizer\.rate 0\.1, but this one has 0\.2"),
    ("augmentation", (Darken(),), (Darken(amount=0.2),), r"augmentation\[0\]\.amount 0\.5"),
    ("augmentation", (Darken(),), (HorizontalFlip(),), r"augmentation\[0\]\.name .*:Darken"),
    ("augmentation", (Slow(2),), (Slow(3),), r"augmentation\[0\]\.width 2, but this one has 3"),
    ("augmentation", (Darken(),), (), r"augmentation \[.*Darken.*, but this one has \[\]"),
]


def resumed(saved: Recipe, now: Recipe, folder: Path) -> None:
    models = [tiny_noisy(), tiny_noisy()]
    for model, recipe in zip(models, (saved, now), strict=True):
        if isinstance(recipe.loss, Learned):
            model.get_submodule("0").loss = recipe.loss
    saving = Checkpointing(folder, every_steps=3)
    Trainer(models[0], saved, callbacks=[saving]).fit(tiny_set())
    Trainer(models[1], now).fit(tiny_set(), resume_from=folder)


@pytest.mark.parametrize(("setting", "then", "now", "told"), PARTS)
def test_each_part_of_a_recipe_is_compared(
    setting: str, then: Any, now: Any, told: str, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=1, batch_size=8)
    saved, other = recipe.replace(**{setting: then}), recipe.replace(**{setting: now})
    with pytest.raises(CheckpointError, match=told):
        resumed(saved, other, tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"batch_size": 4}, "batch_size 8, but this one has 4"),
        ({"learning_rate": 0.5}, r"learning_rate 0\.001, but this one has 0\.5"),
        ({"schedule": "cosine"}, "schedule 'constant', but this one has 'cosine'"),
        ({"optimizer": "sgd"}, ":SGD, but this one has 'sgd'"),
        ({"loss": None}, ":focal, but this one has None"),
        ({"augmentation": (HorizontalFlip(),)}, "augmentation"),
    ],
)
def test_a_function_of_ones_own_hides_no_other_setting(
    change: dict[str, Any], told: str, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=1, batch_size=8, loss=focal, optimizer=partial(SGD, lr=0.1))
    with pytest.raises(CheckpointError, match=told):
        resumed(recipe, recipe.replace(**change), tmp_path)


@pytest.mark.parametrize("make", [Learned, lambda: nn.CrossEntropyLoss(WEIGHTS.clone())])
def test_the_same_code_made_anew_is_the_same(make: Callable[[], Any], tmp_path: Path) -> None:
    recipes = [
        Recipe(
            epochs=1,
            batch_size=8,
            loss=make(),
            optimizer=made(0.1),
            augmentation=(Darken(), HorizontalFlip()),
        )
        for _ in range(2)
    ]
    resumed(recipes[0], recipes[1], tmp_path)


def test_what_a_loss_learns_makes_no_other_recipe_of_it() -> None:
    loss = Learned()
    before = Recipe(loss=loss).describe()
    with torch.no_grad():
        loss.scale.add_(1)
    assert Recipe(loss=loss).describe() == before


def test_without_the_recipe_the_names_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    recipe = Recipe(loss=partial(focal, gamma=1), optimizer=made(0.1), augmentation=(Darken(),))
    Trainer(tiny_noisy(), recipe).save(path)
    with pytest.raises(CheckpointError) as error:
        Trainer.load(path, model=tiny_noisy())
    module = focal.__module__
    for name in ("focal", "made.<locals>.<lambda>", "Darken"):
        assert f"{module}:{name}" in str(error.value)
    assert "give it with recipe=..." in str(error.value)


def test_another_recipe_is_told_when_it_is_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.safetensors"
    recipe = Recipe(loss=focal, batch_size=8)
    Trainer(tiny_noisy(), recipe).save(path)
    with caplog.at_level(logging.WARNING):
        Trainer.load(path, model=tiny_noisy(), recipe=recipe)
    assert not caplog.text
    with caplog.at_level(logging.WARNING):
        Trainer.load(path, model=tiny_noisy(), recipe=Recipe(batch_size=4))
    assert "batch_size 4 instead of 8" in caplog.text
    assert "loss None instead of" in caplog.text


def test_an_unfinished_fit_is_not_finished_with_another_recipe(tmp_path: Path) -> None:
    recipe = Recipe(epochs=1, batch_size=8, loss=focal)
    keeper = Checkpointing(tmp_path, every_steps=3)
    Trainer(tiny_noisy(), recipe, callbacks=[keeper]).fit(tiny_set())
    other = recipe.replace(batch_size=4)
    loaded = Trainer.load(tmp_path / "step-00000003.safetensors", model=tiny_noisy(), recipe=other)
    with pytest.raises(CheckpointError, match="batch_size 8, but this one has 4"):
        loaded.fit(tiny_set())
    loaded.recipe = recipe
    assert len(loaded.fit(tiny_set())) == 1


@given(any_setting | json_values)
def test_anything_has_a_description_that_json_can_hold(value: object) -> None:
    described = describe(value)
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert difference(described, describe(value), "x") is None


@given(json_values, json_values)
def test_descriptions_differ_where_plain_values_do(one: Any, other: Any) -> None:
    texts = [json.dumps(describe(value), sort_keys=True) for value in (one, other)]
    found = difference(describe(one), describe(other), "x")
    if texts[0] == texts[1]:
        assert found is None
    if found is None and "null" not in "".join(texts):  # nothing and None are the same
        assert describe(one) == describe(other)


def test_deep_wide_and_circular_things_have_short_descriptions() -> None:
    circle: Any = Scaled(1.0)
    circle.itself = circle
    for number in range(9):  # an object that knows many, each of which knows as many
        setattr(circle, f"part{number}", Scaled(number))
        for inner in range(9):
            setattr(getattr(circle, f"part{number}"), f"part{inner}", circle)
    circle.many = list(range(10_000))
    circle.table = {str(number): [number] * 300 for number in range(300)}
    described = describe(circle)
    assert len(json.dumps(described)) < 10_000
    assert code_in(described) == [f"{Scaled.__module__}:Scaled"]


@given(st.sampled_from([HorizontalFlip(0.5), HorizontalFlip(0.25)]))
def test_a_recipe_without_code_is_described_as_it_is_written(flip: HorizontalFlip) -> None:
    recipe = Recipe(augmentation=(flip,), optimizer="sgd", momentum=0.5)
    assert recipe.describe() == recipe.to_dict()
