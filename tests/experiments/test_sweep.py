"""Variants, their names and keys; what is found below a folder."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from tests.run_files import falsify, put

from fmnistlab.cli.runs import SORTS, sort_runs
from fmnistlab.data import HorizontalFlip, RandomShift
from fmnistlab.errors import ConfigurationError, RunFolderError
from fmnistlab.experiments import FoundRun, Variant, find_runs, read_config
from fmnistlab.experiments.records.failure import FailureRecord
from fmnistlab.experiments.records.identity import TrainingIdentity
from fmnistlab.experiments.run_folder_state import LOCK
from fmnistlab.experiments.sweep.variant import parse_variant
from fmnistlab.foundation.json_text import json_text
from fmnistlab.recipes import CLASSIC, Recipe


@pytest.mark.parametrize(
    ("word", "model", "recipe"),
    [
        ("cnn", "cnn", CLASSIC),
        ("cnn@classic", "cnn", CLASSIC),
        ("CNN@Classic,epochs=3", "CNN", CLASSIC.replace(epochs=3)),
        (
            "cnn@batch_size=64,schedule=cosine",
            "cnn",
            Recipe(batch_size=64, schedule="cosine"),
        ),
        ("a@b/my.py:Net@learning_rate=1e-2", "a@b/my.py:Net", Recipe(learning_rate=0.01)),
    ],
)
def test_a_word_names_a_variant(word: str, model: str, recipe: Recipe) -> None:
    variant = parse_variant(word)
    assert (variant.model, variant.recipe, variant.label) == (model, recipe, word)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("cnn@clasic", "no recipe 'clasic'. Did you mean 'classic'"),
        ("cnn@epoch=3", "no setting 'epoch'.* Did you mean 'epochs'"),
        ("cnn@epochs=3,classic", "'classic' is no setting; write NAME=VALUE"),
        ("cnn@epochs=many", "epochs"),
        ("cnn@epochs=true", "epochs"),
        ("cnn@epochs=[3]", "epochs"),
        ("cnn@", "no recipe ''"),
        ("@classic", "model"),
    ],
)
def test_a_word_that_names_none_is_refused(word: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_variant(word)


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize(
    "settings", [{"model": 3}, {"model": ""}, {"recipe": "classic"}, {"name": " "}, {"name": 1}]
)
def test_a_variant_of_something_else_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        Variant(**{"model": "cnn", **settings})


OTHERS: dict[str, Any] = {
    "recipe": CLASSIC.replace(epochs=3).to_dict(),
    "fit": "0" * 64,
    "valid": "0" * 64,
    "test": "0" * 64,
    "execution": "eager",
    "threads": 2,
    "device": "cuda",
    "fmnistlab": "99",
    "torch": "99",
}


def test_a_key_is_that_of_all_that_determines_the_bits(trained_once: Path) -> None:
    config = read_config(trained_once)
    training = TrainingIdentity.of(config)
    keys = {training.key(0), training.key(1)}
    for name, other in OTHERS.items():
        keys.add(dataclasses.replace(training, **{name: other}).key(0))
    model = dataclasses.replace(training.model, options={"a": 1})
    origin = dataclasses.replace(training.origin, version="2")
    keys.add(dataclasses.replace(training, model=model).key(0))
    keys.add(dataclasses.replace(training, origin=origin).key(0))
    assert len(keys) == len(OTHERS) + 4
    assert all(len(key) == 12 and set(key) <= set("0123456789abcdef") for key in keys)
    unchanged = dataclasses.replace(
        config,
        started="2020-01-01T00:00:00+00:00",
        data=dataclasses.replace(config.data, source="/elsewhere.csv"),
        machine=dataclasses.replace(config.machine, processor="other"),
        device="cpu",
    )
    assert TrainingIdentity.of(unchanged).key(0) == training.key(0)


def test_every_state_of_a_run_is_found(finished: Path, here: Path) -> None:
    """Also those that a kill, a failure or damage has left; other folders are passed over."""
    top = here / "runs"
    for name in ("done", "begun", "busy", "damaged", "failed", "failed-again", "foreign/deep"):
        shutil.copytree(finished, top / name)
    shutil.copytree(finished, top / "done/inside")  # of no interest: what is in a run is its own
    shutil.move(finished, top / "deep/er/done")
    for name in ("begun", "busy", "failed-again"):
        (top / name / "result.json").unlink()
    (top / "damaged/history.json").write_text("{")
    failure = FailureRecord(model="mine", seed=3, reason="KeyError: 'a'", traceback="...")
    for name in ("failed", "failed-again"):
        text = json_text(dataclasses.asdict(failure))
        (top / name / "failure.json").write_text(text)
    for path in (top / "failed").iterdir():
        if path.name != "failure.json":
            path.unlink()
    falsify(top / "foreign/deep/config.json", put("versions", ...))
    (top / "link").symlink_to(top / "done")
    (top / "foreign/config.json").write_text("[]")
    with FileLock(top / "busy" / LOCK):
        before = sorted(map(str, top.rglob("*")))
        found = {str(run.folder.relative_to(top)): run for run in find_runs([top])}
        assert sorted(map(str, top.rglob("*"))) == before
    assert {name: run.state for name, run in found.items()} == {
        "done": "done",
        "deep/er/done": "done",
        "begun": "begun",
        "busy": "in use",
        "damaged": "damaged",
        "failed": "failed",
        "failed-again": "failed",
    }
    done = found["done"]
    assert (done.model, done.seed, done.epochs, done.recipe) == ("linearnet", 0, 2, "epochs=2")
    assert done.test_interval is not None
    assert done.test_accuracy is not None
    assert done.test_interval[0] < done.test_accuracy < done.test_interval[1]
    failed = found["failed"]
    assert (failed.model, failed.seed, failed.reason) == ("mine", 3, "KeyError: 'a'")
    assert found["failed-again"].started == done.started
    assert "history.json" in str(found["damaged"].reason)


def test_a_run_is_listed_once_however_it_is_named(finished: Path, here: Path) -> None:
    assert len(find_runs([finished, here, Path("run"), "run"])) == 1


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_what_is_no_folder_cannot_be_searched(name: str, here: Path) -> None:
    (here / "file").touch()
    with pytest.raises(RunFolderError, match=f"{name}: cannot be searched"):
        find_runs([name])


@given(st.sampled_from(SORTS), st.permutations(range(4)))
def test_sorted_runs_keep_what_has_no_value_last(column: str, order: list[int]) -> None:
    if column in ("folder", "state"):
        return  # every run has one
    values: list[Any] = [0.1, 0.5, 0.9, None]
    if column in ("model", "started"):
        values = ["a", "b", "c", None]
    elif column in ("epochs", "seed"):
        values = [1, 2, 3, None]
    settings: list[dict[str, Any]] = [{column: values[at]} for at in order]
    runs = [FoundRun(folder=Path("x"), state="done", **setting) for setting in settings]
    found = [getattr(run, column) for run in sort_runs(runs, column)]
    highest_first = column in ("started", "test_accuracy", "val_accuracy")
    assert found == [*sorted(values[:3], reverse=highest_first), None]


def test_settings_in_a_word_change_the_recipe_that_is_given() -> None:
    given = Recipe(epochs=7, batch_size=8)
    assert parse_variant("cnn", given).recipe == given
    assert parse_variant("cnn@epochs=2", given).recipe == given.replace(epochs=2)
    assert parse_variant("cnn@classic", given).recipe == CLASSIC


@pytest.mark.parametrize(
    ("word", "model", "options", "recipe"),
    [
        ("mlp,hidden=64", "mlp", {"hidden": 64}, CLASSIC),
        (
            "mlp,hidden=[64,32],act=relu@classic",
            "mlp",
            {"hidden": [64, 32], "act": "relu"},
            CLASSIC,
        ),
        (
            'a@b.py:Net,label="x@y,z"@epochs=3,weight_decay=0.5',
            "a@b.py:Net",
            {"label": "x@y,z"},
            CLASSIC.replace(epochs=3, weight_decay=0.5),
        ),
        (
            'cnn@augmentation=[{"name":"RandomShift","pixels":1},{"name":"HorizontalFlip",'
            '"probability":0.5}],epochs=2',
            "cnn",
            {},
            CLASSIC.replace(epochs=2, augmentation=(RandomShift(1), HorizontalFlip(0.5))),
        ),
    ],
)
def test_a_word_names_options_and_lists(
    word: str, model: str, options: dict[str, Any], recipe: Recipe
) -> None:
    variant = parse_variant(word)
    assert (variant.model, variant.model_options, variant.recipe) == (model, options, recipe)
    assert variant.label == word


def test_a_recipe_that_a_word_names_is_changed_as_well() -> None:
    def change(recipe: Recipe) -> Recipe:
        return recipe.replace(epochs=1, batch_size=8)

    assert parse_variant("cnn@classic", change=change).recipe == change(CLASSIC)
    assert parse_variant("cnn@classic,epochs=2", change=change).recipe.epochs == 2
    assert parse_variant("cnn@epochs=2", change=change).recipe == CLASSIC.replace(epochs=2)
