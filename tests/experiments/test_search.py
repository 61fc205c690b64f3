"""Searches from begin to end: trials, the winner anew, the test set, and going on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.comparisons import Plain, contents, data_beside, registered
from tests.experiments.searches import SPACE, bits, small, told

from fmnistlab.errors import (
    ConfigurationError,
    MissingExtraError,
    NoRoomError,
    RunFolderError,
    WorkerError,
)
from fmnistlab.experiments.comparison.compare import compare
from fmnistlab.experiments.experiment import run_experiment
from fmnistlab.experiments.prediction import run_predictions
from fmnistlab.experiments.records.reading import read_config, read_history, read_result
from fmnistlab.experiments.searching.optuna_study import JOURNAL
from fmnistlab.experiments.searching.search import search
from fmnistlab.experiments.sweep.found import find_runs
from fmnistlab.experiments.verification import verify_run
from fmnistlab.models import registry
from fmnistlab.reporting.report import report
from fmnistlab.seeding import derive_seed
from fmnistlab.testing import write_tiny_csv
from fmnistlab.training.recipes.recipe import Recipe


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


def test_a_search_tells_what_it_did_and_its_winner_is_a_recipe(here: Path) -> None:
    found = small(here / "out", trials=8, pictures=True)
    assert [trial.number for trial in found.trials] == list(range(8))
    assert found.best.val_accuracy == max(
        t.val_accuracy for t in found.trials if t.state == "done" and t.val_accuracy is not None
    )
    assert Recipe.from_file(here / "out" / "best.toml") == found.recipe
    assert {name: found.recipe.to_dict()[name] for name in SPACE} == found.best.settings
    assert found.recipe.epochs == 4
    validation, test = found.fresh.validation, found.fresh.test
    assert validation is not None
    assert test is not None
    assert len(found.fresh.seeds) == 2
    assert not {*found.fresh.seeds} & {trial.seed for trial in found.trials}
    words = " ".join(found.sentences)
    assert f"{found.best.val_accuracy:.4f}, the highest of all trials, and so rather lucky" in words
    assert f"it reached {validation.value:.4f}" in words
    assert f"which the search never saw: {test.these_images.value:.4f}" in words
    assert repr(found).startswith("trial  settings")
    assert found._repr_html_().count("<tr>") == 1 + 8
    assert len(found.to_frame()) == 8
    assert {"learning_rate", "batch_size", "val_accuracy"} <= {*found.to_frame().columns}
    names = {path.name for path in (here / "out").iterdir()}
    winner = f"winner-{found.best.number:04d}"
    files = {"best.toml", "search.json", "search.md", "history.png", "slices.png", JOURNAL}
    assert names == {*files, "trials", winner}
    written = json.loads((here / "out" / "search.json").read_text())
    left_out = ("folder", "trials")
    whole = json.loads(json.dumps(found.to_dict()))
    assert written["result"] == {k: v for k, v in whole.items() if k not in left_out}
    assert (here / "out" / "search.md").read_text() == found.to_markdown() + "\n"


def test_each_trial_is_a_run_that_can_be_verified_and_was_not_tested(here: Path) -> None:
    found = small(here / "out", trials=6)
    for trial in found.trials:
        result, history = read_result(trial.folder), read_history(trial.folder)
        assert (result.test, result.classes, result.predictions_sha256) == (None, (), None)
        assert not (trial.folder / "predictions.safetensors").exists()
        assert history[-1].val_accuracy == trial.val_accuracy == result.validation.accuracy
        assert len(history) == trial.epochs
        config = read_config(trial.folder)
        assert config.seed == trial.seed == derive_seed(0, "search", trial.number)
        assert {name: config.recipe[name] for name in SPACE} == trial.settings
        assert verify_run(trial.folder).matches
    runs = {run.folder: run for run in find_runs([here / "out" / "trials"])}
    assert len(runs) == 6
    assert {run.test_accuracy for run in runs.values()} == {None}
    first = found.trials[0]
    (compared,) = compare([first.folder], out=here / "compared").failures
    assert "was not tested" in str(compared.reason)
    with pytest.raises(RunFolderError, match="holds a trial of a search, which was not tested"):
        run_experiment(
            "linearnet",
            out=first.folder,
            resume=True,
            data=data_beside(here / "out"),
            seed=first.seed,
            recipe=Recipe(epochs=4).replace(**first.settings),
        )


def test_a_pruned_trial_stops_early_and_repeats(here: Path) -> None:
    found = small(here / "out", trials=20, recipe=Recipe(epochs=6))
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    for trial in pruned:
        assert trial.number >= 5
        assert trial.epochs is not None
        assert 2 < trial.epochs < 6
        assert str(read_result(trial.folder).stop_reason).startswith("pruned: val_accuracy is 0.")
    assert verify_run(pruned[0].folder).matches
    assert found.best.state == "done"
    whole = small(here / "whole", trials=20, recipe=Recipe(epochs=6), prune=False)
    assert {trial.state for trial in whole.trials} == {"done"}
    assert {trial.epochs for trial in whole.trials} == {6}


def test_the_test_set_does_not_matter_to_a_trial(here: Path) -> None:
    train = write_tiny_csv(here / "train.csv", rows=120)
    for name, seed in (("one", 1), ("other", 2)):
        write_tiny_csv(here / f"{name}.csv", rows=50, seed=seed)
    one, other = (
        small(here / name, data=None, train=train, test=here / f"{name}.csv")
        for name in ("one", "other")
    )
    assert told(one) == told(other)
    assert (one.fresh.seeds, one.fresh.val_accuracies) == (
        other.fresh.seeds,
        other.fresh.val_accuracies,
    )


def test_a_finished_search_is_read_again_and_one_with_more_trials_adds_to_it(here: Path) -> None:
    found = small(here / "out", trials=5)
    before = contents(here / "out" / "trials")
    again = small(here / "out", trials=5)
    assert told(again) == told(found)
    assert repr(again) == repr(found)
    assert contents(here / "out" / "trials") == before
    more = small(here / "out", trials=7)
    assert told(more) == told(small(here / "fresh", trials=7))
    assert told(more)[:5] == told(found)
    assert any("Extended from 5 to 7 trials after a winner" in note for note in more.notes)
    assert not found.notes


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_trials_side_by_side_are_those_of_a_round_whoever_is_first(here: Path) -> None:
    found = small(here / "out", trials=5, n_jobs=2)
    again = small(here / "again", trials=5, n_jobs=2)
    assert told(found) == told(again)
    assert bits(here / "out") == bits(here / "again")
    alone = small(here / "alone", trials=5)
    assert told(alone)[:2] == told(found)[:2]
    journal = here / "out" / JOURNAL
    *lines, last = journal.read_text().splitlines(keepends=True)
    chosen = last.partition('"params":{"batch_size":')[2][0]
    changed = f'"params":{{"batch_size":{1 - int(chosen)}'
    assert f'"params":{{"batch_size":{chosen}' in last
    journal.write_text(
        "".join([*lines, last.replace(f'"params":{{"batch_size":{chosen}', changed)])
    )
    with pytest.raises(RunFolderError, match="trial 4 in the journal has batch_size"):
        small(here / "out", trials=6, n_jobs=2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "another seed: 0, and not 1"),
        ({"prune": False}, "another prune"),
        ({"space": {"batch_size": {"choices": [16]}}}, "another space.batch_size.choices"),
        ({"recipe": Recipe(epochs=3)}, "another training.recipe.epochs: 4, and not 3"),
        ({"model": "cnn"}, "another training.model.name"),
        ({"split_seed": 1}, "another training.fit"),
        ({"n_jobs": 2}, "another at_once: 1, and not 2"),
        ({"trials": 1}, "with trials of 2, and not 1"),
        ({"fresh_seeds": 2, "trials": 1}, "with trials of 2, and not 1"),
    ],
)
def test_the_folder_of_another_search_is_refused_naming_what_differs(
    change: dict[str, Any], said: str, here: Path
) -> None:
    small(here / "out", trials=2)
    before = contents(here / "out")
    with pytest.raises(RunFolderError) as refusal:
        small(here / "out", **{"trials": 2, **change})
    assert said in str(refusal.value)
    assert contents(here / "out") == before


def test_what_is_not_the_folder_of_a_search_is_left_alone(here: Path) -> None:
    (here / "out").mkdir()
    (here / "out" / "mine.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="not the folder of a search"):
        small(here / "out")
    assert [path.name for path in (here / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trials": 0}, "trials is 0"),
        ({"fresh_seeds": 1}, "fresh_seeds is 1"),
        ({"n_jobs": 0}, "n_jobs is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"space": {}}, "there is nothing to search in"),
        ({"space": {"lr": {"low": 1, "high": 2}}}, "A recipe has no setting 'lr'"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_written(
    change: dict[str, Any], said: str, here: Path
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        small(here / "out", **change)
    assert said in str(refusal.value)
    assert not (here / "out").exists()


def test_a_trial_that_explodes_is_told_and_the_others_go_on(here: Path) -> None:
    space = {"learning_rate": {"choices": [1e-3, 1e37]}}
    recipe = Recipe(epochs=1, optimizer="sgd")
    found = small(here / "out", trials=6, space=space, recipe=recipe)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert {trial.settings["learning_rate"] for trial in failed} == {1e37}
    assert all("not finite" in str(trial.reason) for trial in failed)
    assert "failed." in found.sentences[0]
    assert told(small(here / "out", trials=6, space=space, recipe=recipe)) == told(found)
    space = {"learning_rate": {"choices": [1e37]}}
    with pytest.raises(
        WorkerError, match="None of the 2 trials was trained to its end; the last one that failed: "
    ):
        small(here / "none", trials=2, space=space, recipe=recipe)


def test_a_full_disk_is_not_held_against_a_trial(here: Path) -> None:
    """What failed by no fault of its settings is made again by the next call."""
    full = here / "full"

    def act(omen: float) -> None:
        if full.exists():
            raise OSError(28, "No space left on device")

    model = registered("model", lambda: Plain(act))
    wanted = small(here / "wanted", model, trials=3)
    small(here / "out", model, trials=1)
    full.touch()
    with pytest.raises(NoRoomError, match="Trial 1 failed by no fault of its settings") as caught:
        small(here / "out", model, trials=3)
    assert caught.value.exit_code == 5
    full.unlink()
    assert told(small(here / "out", model, trials=3)) == told(wanted)


def test_options_of_a_model_are_searched_too(here: Path) -> None:
    def make(hidden: int = 8) -> Plain:
        assert hidden > 0
        return Plain()

    space = {"model": {"hidden": {"low": 2, "high": 99}}}
    found = small(here / "out", registered("wide", make), trials=3, space=space)
    assert found.model_options == {"hidden": found.best.settings["model.hidden"]}
    first = (here / "out" / "best.toml").read_text().splitlines()[0]
    assert first == f"# model options: --model-option hidden={found.model_options['hidden']}"
    assert Recipe.from_file(here / "out" / "best.toml") == Recipe(epochs=4)


def test_without_optuna_an_error_says_how_to_get_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"fmnistlab\[search\]"):
        search("linearnet", out=here / "out")
    assert not (here / "out").exists()


def test_a_journal_that_was_changed_is_refused(here: Path) -> None:
    small(here / "out", trials=3, n_jobs=1)
    journal = here / "out" / JOURNAL
    lines = journal.read_text().splitlines(keepends=True)
    assert "1e-05" in lines[-1]
    journal.write_text("".join([*lines[:-1], lines[-1].replace("1e-05", "2e-05")]))
    with pytest.raises(RunFolderError, match="trial 2 in the journal is not of this search"):
        small(here / "out", trials=3)


def test_a_trial_is_not_tested_in_passing(here: Path) -> None:
    """A report or a list of predictions would be a look at the test set."""
    trial = small(here / "out", trials=2).trials[0].folder
    assert trial is not None
    with pytest.raises(RunFolderError, match="a trial of a search, which was not tested"):
        report(trial)
    with pytest.raises(RunFolderError, match="a trial of a search, which was not tested"):
        run_predictions(trial)
