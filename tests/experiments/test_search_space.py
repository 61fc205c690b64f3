"""Spaces: every one that can be read gives trials that can be trained, all others are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments.searching.optuna_study import Round
from fmnistlab.experiments.searching.space import DEFAULT, Space, fitted_space, read_space
from fmnistlab.models import registry
from fmnistlab.models.registry import register_model
from fmnistlab.training.recipes.named import CLASSIC


class Mlp(nn.Module):
    def __init__(self, hidden: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(784, hidden), nn.Dropout(dropout), nn.Linear(hidden, 10)
        )


@pytest.fixture
def mlp(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(registry, "_registered", {})
    register_model("mlp")(Mlp)
    return "mlp"


def fitted(content: Any, model: str = "linearnet") -> Space:
    return fitted_space(read_space(content), CLASSIC, model, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is nothing to search in"),
        ("[model]", "there is nothing to search in"),
        ("epochs = 3", "epochs: is 3; say what it may be"),
        ("[epochs]\nlo = 1\nhigh = 2", "has no key 'lo'. Did you mean 'low'"),
        ("[epochs]\nlow = 1", "needs low and high, or choices"),
        ("[epochs]\nlow = 1\nhigh = 3\nchoices = [1]", "has choices and more"),
        ("[epochs]\nchoices = []", "choices is []"),
        ("[epochs]\nchoices = 3", "choices is 3"),
        ("[epochs]\nchoices = [1, 1]", "1 is there twice"),
        ("[epochs]\nchoices = [1979-05-27]", "cannot be written to a file"),
        ("[epochs]\nlow = 3\nhigh = 3", "low must be less"),
        ("[epochs]\nlow = 3\nhigh = 1", "low must be less"),
        ("[epochs]\nlow = true\nhigh = 3", "low is True"),
        ('[epochs]\nlow = "1"\nhigh = 3', "low is '1'"),
        ("[learning_rate]\nlow = nan\nhigh = 3", "low is nan"),
        ("[learning_rate]\nlow = 1\nhigh = inf", "high is inf"),
        ("[learning_rate]\nlow = 0\nhigh = 1\nlog = true", "with log it must be above 0"),
        ("[learning_rate]\nlow = 1\nhigh = 2\nlog = 1", "log is 1; use true or false"),
        ("[learning_rate]\nlow = 1\nhigh = 2\nlog = true\nstep = 1", "has log and step"),
        ("[learning_rate]\nlow = 0.1\nhigh = 0.3\nstep = 0.15", "no whole steps of 0.15"),
        ("[learning_rate]\nlow = 0.1\nhigh = 0.3\nstep = 0", "step is 0"),
        ("[learning_rate]\nlow = -1e308\nhigh = 1e308", "is too wide"),
        ("[epochs]\nlow = 1\nhigh = 999999999999999999", "is too wide"),
        ("[epochs", "is not valid TOML"),
    ],
)
def test_a_file_that_is_no_space_is_refused(text: str, said: str, here: Path) -> None:
    (here / "space.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        read_space("space.toml")
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("space.toml: ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"learning_rat": {"low": 1, "high": 2}}, "Did you mean 'learning_rate'"),
        ({"learning_rate": {"low": 0, "high": 1}}, "learning_rate = 0.0"),
        ({"momentum": {"low": 0, "high": 1}}, "momentum = 1.0"),
        ({"momentum": {"low": 0, "high": 0.9}}, "only works with"),
        ({"epochs": {"low": 0.5, "high": 3}}, "epochs = 0.5"),
        ({"schedule": {"choices": ["constant", "cosin"]}}, "Did you mean 'cosine'"),
        ({"augmentation": {"choices": [[], [{"name": "nothing"}]]}}, "augmentation = "),
        ({"loss": {"choices": ["mse"]}}, "a loss is code"),
        ({"model": {"hiden": {"low": 1, "high": 2}}}, "Did you mean 'hidden'"),
        ({"model": {"hidden": {"low": -3, "high": 2}}}, "model.hidden = -3"),
        ({"model": {"dropout": {"low": 0, "high": 2}}}, "model.dropout = 2.0"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(content: Any, said: str, mlp: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        fitted(content, mlp)
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("space: ")


def test_a_range_of_any_numbers_is_not_one_of_whole_ones(mlp: str) -> None:
    """Or else from 0 to 1 would mean 0 or 1."""
    space = fitted(
        {
            "weight_decay": {"low": 0, "high": 1},
            "epochs": {"low": 1, "high": 3},
            "model": {"hidden": {"low": 1, "high": 9}, "dropout": {"low": 0, "high": 1}},
        },
        mlp,
    )
    kinds = {one.name: type(one.low) for one in space.dimensions}
    assert kinds == {
        "epochs": int,
        "model.dropout": float,
        "model.hidden": int,
        "weight_decay": float,
    }


def test_settings_that_only_work_together_may_be_searched_together() -> None:
    content = {
        "optimizer": {"choices": ["adam", "sgd"]},
        "momentum": {"low": 0.0, "high": 0.9},
        "nesterov": {"choices": [True, False]},
    }
    assert len(fitted(content).dimensions) == 3


def test_what_is_searched_if_nothing_is_said_fits_the_classic_recipe() -> None:
    assert [one.name for one in fitted(None).dimensions] == sorted(DEFAULT)


ranges = st.tuples(st.integers(1, 50), st.integers(1, 50)).map(
    lambda pair: {"low": pair[0], "high": sum(pair)}
)
logs = ranges.map(lambda part: {**part, "log": True})
spaces = st.dictionaries(
    st.sampled_from(["epochs", "batch_size", "learning_rate", "weight_decay"]),
    st.one_of(ranges, logs, st.just({"choices": [1, 2, 7]})),
    min_size=1,
)


@given(spaces, st.integers(0, 2**63 - 1), st.integers(1, 3))
@settings(max_examples=20)
def test_each_trial_of_a_space_is_a_recipe(content: Any, seed: int, size: int) -> None:
    space = fitted(content)
    for chosen in Round(space, seed, [], size).settings:
        recipe, options = space.applied(CLASSIC, {"hidden": 3}, chosen)
        assert {name: recipe.to_dict()[name] for name in chosen} == chosen
        assert options == {"hidden": 3}
        for one in space.dimensions:
            value = chosen[one.name]
            assert value in one.choices if one.choices else one.low <= value <= one.high


def test_choices_may_be_lists_and_tables_and_numbers_that_equal_truths() -> None:
    flips = [[], [{"name": "HorizontalFlip"}]]
    space = read_space({"augmentation": {"choices": flips}, "x": {"choices": [1, True, "1", 1.0]}})
    seen = [Round(space, seed, [], 1).settings[0] for seed in range(40)]
    assert {str(one["augmentation"]) for one in seen} == {*map(str, flips)}
    assert {repr(one["x"]) for one in seen} == {"1", "True", "'1'", "1.0"}
