"""The learning-rate range test: it finds where a loss falls and explodes, and changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import Items, same_weights, tiny_linear, tiny_noisy, tiny_set
from torch import nn
from torch.utils.data import DataLoader

from fmnistlab.data import HorizontalFlip
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.global_random import random_states
from fmnistlab.training.rate_range import LearningRateRange, learning_rate_range
from fmnistlab.training.recipes.recipe import Recipe

SGD = Recipe(optimizer="sgd", batch_size=20)


def found(model: Any = "linearnet", recipe: Recipe = SGD, **changes: Any) -> LearningRateRange:
    wanted: dict[str, Any] = {"low": 1e-4, "high": 1e3, "steps": 100, "recipe": recipe, **changes}
    return learning_rate_range(model, tiny_set(100), **wanted)


def test_the_loss_falls_before_it_explodes() -> None:
    seen = found()
    assert seen.exploded is not None
    assert seen.steepest is not None
    assert seen.largest == seen.exploded / 10
    assert 1e-4 < seen.steepest < seen.exploded < 1e3
    assert len(seen.rates) == len(seen.losses) == len(seen.smoothed) < seen.steps == 100
    ratios = {round(b / a, 9) for a, b in zip(seen.rates, seen.rates[1:], strict=False)}
    assert len(ratios) == 1
    assert f"falls fastest at a learning rate of {seen.steepest:.2g}" in str(seen)
    assert f"explodes at {seen.exploded:.2g}" in repr(seen)
    assert "steepest" in seen._repr_html_()


def test_a_rate_that_is_too_small_for_anything_suggests_nothing() -> None:
    seen = found(low=1e-30, high=1e-29, steps=10)
    assert (seen.exploded, seen.largest) == (None, None)
    assert len(seen.rates) == 10
    assert "did not explode up to 1e-29" in str(seen)


def test_the_same_seed_gives_the_same_bits_and_another_one_others() -> None:
    assert found(seed=3) == found(seed=3)
    assert found(seed=3) != found(seed=4)


@pytest.mark.parametrize("make", [tiny_linear, tiny_noisy])
def test_the_model_that_is_given_and_random_numbers_stay_as_they_are(make: object) -> None:
    assert callable(make)
    model = make().eval()
    kept, before = copy.deepcopy(model), random_states()
    found(model)
    assert same_weights(model, kept)
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    after = random_states()
    assert torch.equal(before.torch, after.torch)
    # The checker of annotations draws from Python's own generator.
    assert before.others["numpy"] == after.others["numpy"]


def test_groups_keep_the_ratio_of_their_rates_and_the_schedule_is_left_out() -> None:
    rates: list[list[float]] = []

    class Spy(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override] # nothing is returned
            rates.append([group["lr"] for group in self.param_groups])
            super().step()

    def make(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        weight, bias = parameters
        groups: list[dict[str, Any]] = [{"params": [weight]}, {"params": [bias], "lr": 0.2}]
        return Spy(groups, lr=0.1)

    seen = found(tiny_linear(), Recipe(optimizer=make, batch_size=20, schedule="cosine"), high=1.0)
    assert [first for first, _ in rates] == pytest.approx(seen.rates)
    assert all(second == pytest.approx(2 * first) for first, second in rates)


@pytest.mark.parametrize("kind", ["items", "loader", "augmented"])
def test_any_data_that_can_be_trained_on_can_be_tested(kind: str) -> None:
    data: object = tiny_set(100)
    recipe = SGD
    if kind == "items":
        data = Items(tiny_set(100))
    elif kind == "loader":
        data = DataLoader(tiny_set(100), batch_size=20)
    else:
        recipe = SGD.replace(augmentation=(HorizontalFlip(),))
    seen = learning_rate_range("linearnet", data, recipe=recipe, steps=20)  # type: ignore[arg-type] # one of them
    assert len(seen.rates) == 20


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"low": 0}, "low is 0"),
        ({"low": 1.0, "high": 1.0}, "high is 1"),
        ({"steps": 9}, "steps is 9"),
        ({"steps": 10_000}, "steps is 10000"),
        ({"seed": -1}, "seed is -1"),
        ({"device": "tpu9"}, "tpu9"),
    ],
)
def test_what_is_out_of_range_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        found(**change)
    assert said in str(refusal.value)


def test_a_loss_that_is_never_finite_is_refused() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(784, 10)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.linear(images.flatten(1))
            return scores * (torch.nan if self.training else 1)

    with pytest.raises(ConfigurationError, match="loss of the first batch"):
        found(Broken())


losses = st.lists(st.floats(0.01, 100), min_size=1, max_size=40)


@given(losses, st.booleans())
@settings(max_examples=50)
def test_suggestions_lie_within_what_was_seen(values: list[float], exploded: bool) -> None:
    rates = tuple(1e-5 * 1.2**at for at in range(len(values)))
    seen = LearningRateRange(
        rates=rates,
        losses=tuple(values),
        smoothed=tuple(values),
        exploded=rates[-1] if exploded else None,
        steps=40,
        batch_size=20,
    )
    if seen.steepest is not None:
        at = rates.index(seen.steepest)
        assert at <= values.index(min(values))
    assert (seen.largest is None) is not exploded
    assert str(seen)
