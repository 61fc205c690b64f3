"""The command of a page repeats the run: parsed again, it gives the settings of the run."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.run_files import falsify, put

from fmnistlab.cli.main import build_parser
from fmnistlab.cli.settings import chosen_options, chosen_recipe
from fmnistlab.experiments import read_config, run_experiment
from fmnistlab.reporting.repeating import repeating_command, repeating_lines
from fmnistlab.training.recipes.recipe import Recipe

RECIPES: list[dict[str, Any]] = [
    {},
    {"epochs": 3, "batch_size": 64, "schedule": "one_cycle", "learning_rate": 5e-3},
    {"augmentation": [{"name": "HorizontalFlip", "probability": 0.25}]},
    {"optimizer": "sgd", "momentum": 0.9, "label_smoothing": 0.1},
]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("options", [{}, {"hidden": [64, 32], "name": "it's; $HOME", "on": True}])
def test_the_command_has_every_setting(
    finished: Path, recipe: dict[str, Any], options: dict[str, Any]
) -> None:
    falsify(finished / "config.json", put("recipe", Recipe().to_dict() | recipe))
    falsify(finished / "config.json", put("model.options", options))
    falsify(finished / "config.json", put("data.source", "/my data/it's.csv"))
    falsify(finished / "config.json", put("execution", "eager"))
    config = read_config(finished)
    line = repeating_command(config)
    assert line is not None
    program, *words = shlex.split(line)
    parsed = build_parser().parse_args(words)
    assert program == "fmnistlab"
    assert parsed.model == config.model.name
    assert chosen_options(parsed.model, parsed.model_options) == options
    assert chosen_recipe(parsed).to_dict() == config.recipe
    assert str(parsed.data) == config.data.source
    assert (parsed.seed, parsed.device, parsed.threads) == (config.seed, "cpu", config.threads)
    assert parsed.execution == "eager"


def test_two_files_are_named_apart(finished: Path) -> None:
    falsify(finished / "config.json", put("data.test_source", "test.csv"))
    line = repeating_command(read_config(finished))
    assert line is not None
    parsed = build_parser().parse_args(shlex.split(line)[1:])
    assert (parsed.data, str(parsed.test)) == (None, "test.csv")


def test_a_split_that_no_command_makes_needs_python(finished: Path, here: Path) -> None:
    config = read_config(finished)
    split = dataclasses.replace(config.split, valid_fraction=0.5)
    assert repeating_command(dataclasses.replace(config, split=split)) is None


def test_the_lines_of_python_repeat_the_run(trained_once: Path, here: Path) -> None:
    config = read_config(trained_once)
    lines = repeating_lines(config).replace("fmnistlab.run_experiment(", "again = run_experiment(")
    found: dict[str, Any] = {"run_experiment": run_experiment}
    exec(lines, found)
    again = read_config(found["again"].folder)
    assert dataclasses.replace(again, started=config.started) == config
