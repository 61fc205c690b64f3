"""An experiment by keywords leaves the run folder that the command line leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import fmnistlab
from fmnistlab.cli.main import run
from fmnistlab.errors import ConfigurationError, UnknownArgumentError
from fmnistlab.experiments import ExperimentConfig, read_config, verify_run
from fmnistlab.experiments.config import configured
from fmnistlab.metrics import Metrics
from fmnistlab.testing import write_tiny_csv

SHORT = fmnistlab.Recipe(epochs=1)


def test_keywords_leave_the_folder_that_the_command_leaves(here: Path) -> None:
    write_tiny_csv("tiny.csv", rows=80)
    done = fmnistlab.run_experiment("linearnet", data="tiny.csv", recipe=SHORT, out="a", seed=3)
    assert done.folder == Path("a")
    words = ["train", "linearnet", "--data", "tiny.csv", "--epochs", "1", "--seed", "3"]
    assert run([*words, "--out", "b"]) == 0
    assert {path.name for path in Path("a").iterdir()} == {p.name for p in Path("b").iterdir()}
    one, other = (json.loads(Path(name, "result.json").read_text()) for name in "ab")
    assert one["weights_sha256"] == other["weights_sha256"]
    assert verify_run(Path("a")).matches
    assert run(["evaluate", "a"]) == 0


def test_settings_replace_those_of_a_config(here: Path) -> None:
    config = ExperimentConfig(model="cnn", seed=1, threads=2)
    assert configured(config, {}) == config
    changed = configured(config, {"seed": 2, "out": "x"})
    assert changed == ExperimentConfig(model="cnn", seed=2, threads=2, out=Path("x"))
    assert configured("cnn", {"seed": 1, "threads": 2}) == config
    assert configured(None, {"model": "cnn", "seed": 1, "threads": 2}) == config
    with pytest.raises(ConfigurationError, match=r"^seed is -1; use"):
        configured("cnn", {"seed": -1})


def test_the_test_result_is_told_once_also_where_nothing_is_left_to_do(here: Path) -> None:
    write_tiny_csv("tiny.csv", rows=80)
    told: list[Metrics] = []
    settings: dict[str, Any] = {"data": "tiny.csv", "recipe": SHORT, "out": "a", "resume": True}
    trained, again = (
        fmnistlab.run_experiment("linearnet", on_tested=told.append, pictures=False, **settings)
        for _ in range(2)
    )
    assert told == [trained.test, again.test] == [trained.test, trained.test]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sead": 1}, "no argument 'sead'. Did you mean 'seed'"),
        ({"epochs": 1}, r"it is a setting of the recipe: recipe=Recipe\(epochs=...\)"),
        ({"folder": "x"}, "no argument 'folder'"),
    ],
)
def test_an_unknown_setting_is_named_before_anything_is_made(
    settings: dict[str, Any], said: str, here: Path
) -> None:
    with pytest.raises(UnknownArgumentError, match=said):
        fmnistlab.run_experiment("cnn", **settings)
    assert not list(here.iterdir())


def test_a_model_must_be_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^model is None; use the name of a model"):
        fmnistlab.run_experiment(seed=1)


def test_two_files_are_recorded(here: Path) -> None:
    write_tiny_csv("a.csv", rows=80)
    write_tiny_csv("b.csv", rows=20, seed=1)
    done = fmnistlab.run_experiment(
        model="linearnet", train="a.csv", test="b.csv", recipe=SHORT, out="run", pictures=False
    )
    places = read_config(done.folder).data.places()
    assert places == {"train": here / "a.csv", "test": here / "b.csv"}
    assert [len(part) for part in fmnistlab.load_data(**places)] == [80, 20]
    assert verify_run(done.folder).matches
