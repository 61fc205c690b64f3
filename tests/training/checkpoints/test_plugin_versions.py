"""A plug-in that is another one than a checkpoint or a run was made with is told, by name."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.plugin_factory import Plugin, installed
from tests.tiny import tiny_linear, tiny_set

from fmnistlab.callbacks import Callback, Checkpointing, EpochRecord, Run
from fmnistlab.cli.main import run as command
from fmnistlab.experiments import ExperimentConfig, run_experiment
from fmnistlab.experiments.verification import verify_run
from fmnistlab.models.registry import ModelOrigin, create_model, model_origin
from fmnistlab.testing import write_tiny_csv
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

SOURCE = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(784, 10)

    def forward(self, images):
        return {sign}self.layer(images.flatten(1))
"""
RECIPE = Recipe(epochs=1, batch_size=8)


@contextmanager
def plugin(folder: Path, version: str, sign: str = "", package: str = "acme") -> Iterator[None]:
    source = SOURCE.format(sign=sign)
    module = package.replace("-", "_")
    found = Plugin(package, {"mine": f"{module}:Net"}, source=source, version=version)
    with installed(folder / f"{package}-{version}-{len(sign)}", found):
        yield


def told(caplog: pytest.LogCaptureFixture) -> str:
    text = caplog.text
    caplog.clear()
    return text


def test_the_origin_of_a_model_is_known(tmp_path: Path) -> None:
    with plugin(tmp_path, "1.0"):
        origin = ModelOrigin("acme", "1.0", "acme:Net")
        assert model_origin(create_model("mine")) == origin
        assert model_origin(create_model("acme:mine")) == origin
        assert str(origin) == "acme 1.0 (acme:Net)"
    own = ModelOrigin(None, None, "fmnistlab.models.cnn:CNN")
    assert model_origin(create_model("CNN")) == own
    script = model_origin(tiny_linear())
    assert script == ModelOrigin(None, None, "torch.nn.modules.container:Sequential")


def test_a_checkpoint_says_which_package_its_model_is_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.safetensors"
    with plugin(tmp_path, "1.0"):
        trainer = Trainer(
            create_model("mine"), RECIPE, callbacks=[Checkpointing(tmp_path / "c", every_steps=3)]
        )
        trainer.fit(tiny_set())
        trainer.save(path)
        Trainer.load(path)
        Trainer.load(path, model=create_model("mine"))
        assert not told(caplog)
    wanted = "recorded with a model of acme 1.0 (acme:Net), now it is of acme 1.1 (acme:Net)"
    with plugin(tmp_path, "1.1"):
        Trainer.load(path)
        assert wanted in told(caplog)
        Trainer.load(path, model=create_model("mine"))
        assert wanted in told(caplog)
        Trainer(create_model("mine"), RECIPE).fit(tiny_set(), resume_from=tmp_path / "c")
        assert wanted in told(caplog)
    with plugin(tmp_path, "1.0", package="other-models"):
        Trainer.load(path)
        assert "now it is of other-models 1.0 (other_models:Net)" in told(caplog)


def test_a_run_says_so_and_every_command_tells_of_a_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    data = write_tiny_csv(tmp_path / "tiny.csv", rows=80)
    config = ExperimentConfig(model="mine", data=data, recipe=RECIPE, out=run, pictures=False)
    with plugin(tmp_path, "1.0"), caplog.at_level(logging.WARNING):
        run_experiment(config)
        recorded = json.loads((run / "config.json").read_text())["origin"]
        assert recorded == {"package": "acme", "version": "1.0", "code": "acme:Net", "sha256": None}
        caplog.clear()
        assert command(["evaluate", str(run)]) == 0
        assert verify_run(run).environment == ()
        assert not told(caplog)
    with plugin(tmp_path, "1.1", sign="-"), caplog.at_level(logging.WARNING):
        assert command(["evaluate", str(run)]) == 0
        text = told(caplog)
        assert "recorded with a model of acme 1.0 (acme:Net), now it is of acme 1.1" in text
        assert "the run recorded an accuracy of" in text
        assert not verify_run(run).matches
    with plugin(tmp_path, "1.1"):  # another version that does the same
        found = verify_run(run)
        change = "the model was of acme 1.0 (acme:Net) and is of acme 1.1 (acme:Net) now"
        assert change in found.environment
        assert found.matches
    # A package may change without a new version.
    with plugin(tmp_path, "1.0", sign="-"), caplog.at_level(logging.WARNING):
        assert command(["evaluate", str(run)]) == 0
        assert "the run recorded an accuracy of" in told(caplog)
    capsys.readouterr()


def test_a_run_that_goes_on_with_another_version_tells_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.training.checkpoints.test_rearranged import Interrupt

    data = write_tiny_csv(tmp_path / "tiny.csv", rows=80)
    config = ExperimentConfig(
        model="mine",
        data=data,
        recipe=RECIPE,
        out=tmp_path / "run",
        pictures=False,
        resume=True,
        checkpoint_steps=1,
    )
    with plugin(tmp_path, "1.0"), pytest.raises(KeyboardInterrupt):
        run_experiment(config, [Interrupt(3)])
    caplog.clear()
    with plugin(tmp_path, "1.1"):
        run_experiment(config)
    text = told(caplog)
    assert "goes on with model of acme 1.1 (acme:Net) instead of acme 1.0 (acme:Net)" in text


CODE = """
import dataclasses
import torch

@dataclasses.dataclass(frozen=True)
class Darken:
    strength: float = 0.5
    draws = 0

    def __call__(self, images, uniform):
        return images * {factor}

def loss(logits, labels):
    return torch.nn.functional.cross_entropy(logits, labels) * {factor}

def optimizer(parameters):
    return torch.optim.SGD(parameters, {factor})
"""


@pytest.mark.parametrize("setting", ["augmentation", "loss", "optimizer"])
def test_code_of_a_recipe_that_has_changed_is_told_when_a_fit_goes_on(
    setting: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Stop(Exception):  # noqa: N818 - it is no error
        pass

    class Stops(Callback):
        def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
            raise Stop

    def fit(version: str, factor: str, *callbacks: Callback, **settings: Any) -> None:
        source = CODE.replace("{factor}", factor)
        found = Plugin("darker", {}, source=source, version=version)
        with installed(tmp_path / version, found):
            module = importlib.import_module("darker")
            code = [module.Darken()] if setting == "augmentation" else getattr(module, setting)
            recipe = RECIPE.replace(epochs=2, **{setting: code})
            trainer = Trainer("linearnet", recipe, device="cpu", callbacks=callbacks)
            trainer.fit(tiny_set(), **settings)

    folder = tmp_path / "kept"
    with pytest.raises(Stop):
        fit("1.0", "0.5", Checkpointing(folder, every_steps=3), Stops())
    fit("1.1", "0.5", resume_from=folder)
    assert "another environment" not in told(caplog)
    fit("1.2", "0.25", resume_from=folder)
    assert "another environment (code of darker" in told(caplog)
