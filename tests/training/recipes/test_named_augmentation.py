"""A recipe's file that names an augmentation of a package or a file: trained, resumed, loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.commands import error_of
from tests.plugin_factory import Plugin, installed
from tests.tiny import same_weights, tiny_noisy, tiny_set

import fmnistlab
from fmnistlab.callbacks import BatchResult, Callback, Checkpointing, Run
from fmnistlab.cli.main import run
from fmnistlab.errors import AugmentationLoadError, CheckpointError, ConfigurationError
from fmnistlab.models.weights_hash import weights_sha256
from fmnistlab.recipes import Recipe
from fmnistlab.testing import write_tiny_csv

SHAKE = """\
import dataclasses
import pathlib
from typing import ClassVar

pathlib.Path(__file__).with_name("ran").touch()


@dataclasses.dataclass(frozen=True)
class Shake:
    strength: float = 0.5
    draws: ClassVar[int] = 1

    def __call__(self, images, uniform):
        return images * (1 - self.strength * uniform.view(-1, 1, 1, 1))
"""
POINTS = "[fmnistlab.augmentations]\nshake = acme_changes:Shake\n"
RECIPE = """\
epochs = 2
batch_size = 16
[[augmentation]]
name = "AlternatingFlip"
[[augmentation]]
name = "{}"
strength = 0.75
"""


@pytest.fixture
def acme(here: Path) -> Iterator[Path]:
    """An installed package that offers an augmentation, and `my.toml` that names it."""
    Path("my.toml").write_text(RECIPE.format("shake"))
    with installed(here / "site", Plugin("acme-changes", POINTS, SHAKE)):
        yield here


class Stop(Callback):
    """Stops a process in the middle of an epoch."""

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        if result.step == 5:
            raise KeyboardInterrupt


def interrupted(recipe: Recipe, folder: Path) -> None:
    watching = [Checkpointing(folder, every_steps=1), Stop()]
    trainer = fmnistlab.Trainer(tiny_noisy(), recipe, device="cpu", seed=3, callbacks=watching)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(tiny_set())


def undisturbed(recipe: Recipe) -> fmnistlab.Trainer:
    trainer = fmnistlab.Trainer(tiny_noisy(), recipe, device="cpu", seed=3)
    trainer.fit(tiny_set())
    return trainer


def test_it_is_resumed_in_the_middle_of_an_epoch_with_the_same_bits(acme: Path) -> None:
    recipe = Recipe.from_file("my.toml")
    whole = undisturbed(recipe)
    assert not same_weights(whole.model, undisturbed(recipe.replace(augmentation=())).model)
    interrupted(recipe, acme / "saved")
    again = fmnistlab.Trainer(tiny_noisy(), Recipe.from_file("my.toml"), device="cpu", seed=3)
    again.fit(tiny_set(), resume_from=acme / "saved")
    assert same_weights(again.model, whole.model)
    other = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()).replace("0.75", "0.5")))
    trainer = fmnistlab.Trainer(tiny_noisy(), other, device="cpu", seed=3)
    with pytest.raises(CheckpointError, match=r"augmentation\[1\]\.strength 0\.75, .* has 0\.5"):
        trainer.fit(tiny_set(), resume_from=acme / "saved")


ELSEWHERE = """\
import sys
import fmnistlab
from tests.tiny import tiny_noisy, tiny_set
from fmnistlab.models.weights_hash import weights_sha256
trainer = fmnistlab.Trainer.load(sys.argv[1], model=tiny_noisy(), device="cpu")
print(trainer.recipe.augmentation)
trainer.fit(tiny_set())
print(weights_sha256(trainer.model))
"""


def test_it_is_loaded_elsewhere_and_goes_on_with_the_same_bits(acme: Path) -> None:
    recipe = Recipe.from_file("my.toml")
    interrupted(recipe, acme / "saved")
    newest = max((acme / "saved").glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)
    (acme / "away").mkdir()
    tests = Path(__file__).parents[3]
    paths = [str(acme / "site"), str(tests), str(Path(fmnistlab.__file__).parents[1])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", ELSEWHERE, str(newest)]
    done = subprocess.run(
        command, cwd=acme / "away", env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told, sha256 = done.stdout.splitlines()
    assert told == "(AlternatingFlip(), Shake(strength=0.75))"
    assert sha256 == weights_sha256(undisturbed(recipe).model)


def test_without_the_package_the_recipe_has_to_be_given(here: Path) -> None:
    Path("my.toml").write_text(RECIPE.format("shake"))
    with installed(here / "site", Plugin("acme-changes", POINTS, SHAKE)):
        recipe = Recipe.from_file("my.toml")
        undisturbed(recipe).save("saved.safetensors")
    (here / "site" / "ran").unlink()
    with pytest.raises(CheckpointError, match=r"augmentation acme_changes:Shake.*recipe="):
        fmnistlab.Trainer.load("saved.safetensors", model=tiny_noisy())
    loaded = fmnistlab.Trainer.load("saved.safetensors", model=tiny_noisy(), recipe=recipe)
    assert loaded.recipe == recipe
    with (
        installed(here / "broken", Plugin("acme-changes", POINTS, "1 / 0")),
        pytest.raises(AugmentationLoadError, match=r"'shake' of package acme-changes 1.0"),
    ):
        fmnistlab.Trainer.load("saved.safetensors", model=tiny_noisy())


def train(*words: str) -> int:
    command = ["train", "linearnet", "--data", ".", "--out", "out", "--recipe", "my.toml"]
    return run([*command, *words])


@pytest.fixture
def data(here: Path) -> Path:
    write_tiny_csv(here / "fashion-mnist_train.csv", rows=200)
    write_tiny_csv(here / "fashion-mnist_test.csv", rows=50, seed=1)
    return here


def test_a_run_with_it_is_verified(
    acme: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    recorded = json.loads(Path("out/config.json").read_text())["recipe"]["augmentation"]
    assert recorded[1] == {"name": "acme_changes:Shake", "strength": 0.75}
    assert run(["verify", "out"]) == 0
    assert "match: " in capsys.readouterr().out
    assert train("--resume") == 0
    assert run(["compare", "linearnet@my.toml", "--data", ".", "--seeds", "2", "--jobs", "1"]) == 0


@pytest.mark.parametrize("name", ["inner/changes.py:Shake", "./inner/changes.py:Shake"])
def test_a_run_with_code_of_a_file_runs_it_only_for_who_names_it(
    name: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file lies beside the recipe that names it, wherever one works."""
    inner = data / "recipes" / "inner"
    inner.mkdir(parents=True)
    (inner / "changes.py").write_text(SHAKE)
    recipe = data / "recipes" / "my.toml"
    recipe.write_text(RECIPE.format(name))
    words = ["train", "linearnet", "--data", ".", "--out", "out", "--recipe", str(recipe)]
    assert run(words) == 0
    recorded = json.loads(Path("out/config.json").read_text())["recipe"]["augmentation"]
    assert recorded[1] == {"name": "changes.py:Shake", "strength": 0.75}
    assert run([*words, "--resume"]) == 0
    capsys.readouterr()
    sys.modules.pop(type(Recipe.from_file(recipe).augmentation[1]).__module__)
    (inner / "ran").unlink()
    for command in (["evaluate", "out"], ["predict", "out", "bundled:0"], ["runs", "out"]):
        assert run(command) == 0
        assert "different" not in capsys.readouterr().err
    assert run(["verify", "out"]) == 1
    assert "augmentation changes.py:Shake, which no installed package offers" in error_of(capsys)
    assert not (inner / "ran").exists()
    assert run(["verify", "out", "--recipe", str(recipe)]) == 0
    assert (inner / "ran").exists()
    recipe.write_text(recipe.read_text().replace("0.75", "0.5"))
    assert run(["verify", "out", "--recipe", str(recipe)]) == 1
    told = capsys.readouterr().err
    assert "it was trained with recipe.augmentation[1].strength 0.75, and not 0.5" in told


def test_workers_run_the_file_too(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("changes.py").write_text(SHAKE)
    changed = '{"name": "changes.py:Shake"}'
    words = ["compare", "linearnet", f"linearnet@augmentation=[{changed}]", "--epochs", "1"]
    assert run([*words, "--data", ".", "--seeds", "2", "--jobs", "2", "--out", "out"]) == 0
    assert "4" in capsys.readouterr().err


def test_settings_that_a_file_leaves_out_have_their_defaults(here: Path) -> None:
    Path("changes.py").write_text(SHAKE)
    Path("my.toml").write_text('augmentation = [{name = "changes.py:Shake"}]')
    recipe = Recipe.from_file("my.toml")
    assert repr(recipe.augmentation) == "(Shake(strength=0.5),)"
    Path("whole.toml").write_text(recipe.to_toml())
    assert Recipe.from_file("whole.toml") == recipe
    with pytest.raises(ConfigurationError, match=r"Unknown augmentation 'changes.py:Shake'"):
        Recipe.from_dict(recipe.to_dict())
