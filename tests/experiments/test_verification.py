from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.run_files import CHECKPOINT, command, falsify, falsify_checkpoint, put

from fmnistlab.callbacks import Callback
from fmnistlab.cli.main import run
from fmnistlab.errors import CheckpointError, ConfigurationError, RunFolderError
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.experiment import run_experiment
from fmnistlab.experiments.verification import verify_run
from fmnistlab.models import registry
from fmnistlab.models.linear import LinearNet
from fmnistlab.testing import write_tiny_csv
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.epoch_record import EpochRecord


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time of the last change and content of each file."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


# --- verify ---------------------------------------------------------------------------------------


def test_a_run_can_be_repeated_to_the_last_bit(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(finished)
    assert run(["verify", "run"]) == 0
    printed = capsys.readouterr().out
    assert "match: data and split, 2 epochs, 24 tensors and " in printed
    assert "values of result.json, predictions for 16 images, to the last bit" in printed
    assert "pictures: 4 are there" in printed
    assert files_of(finished) == before
    assert [path.name for path in finished.parent.iterdir()] == ["run"]


def test_verify_tells_as_json_what_it_tells_in_words(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", "run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    result = json.loads((finished / "result.json").read_text())
    assert (said["matches"], said["epochs"], said["pictures"]) == (True, 2, 4)
    assert said["weights_sha256"] == result["weights_sha256"]
    assert len(said["compared"]) == 5
    assert said["differences"] == said["environment"] == []


def test_a_falsified_history_is_told_and_the_rest_is_compared_all_the_same(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    falsify(finished / "history.json", put("epochs.0.val_loss", 0.5))
    falsify(finished / "result.json", put("test.loss", 0.25))
    falsify(finished / "config.json", put("versions.torch", "1.0"))
    assert run(["verify", "run"]) == 1
    said = capsys.readouterr().out
    assert "different: history.json: epoch 1: val_loss: 0.5, but checkpoint.safetensors" in said
    assert "different: history.json: epoch 1: val_loss: 0.5 recorded, " in said
    assert "different: result.json: test.loss: 0.25 recorded, " in said
    assert "epoch 2" not in said
    assert "perhaps because: torch was 1.0 and is " in said


def test_a_checkpoint_of_zeros_is_told(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def zeros(tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        tensors.update({name: torch.zeros_like(tensor) for name, tensor in tensors.items()})

    falsify_checkpoint(finished, zeros)
    assert run(["verify", "run"]) == 1
    said = capsys.readouterr().out
    assert "different: result.json: weights_sha256: " in said
    assert "different: checkpoint.safetensors: tensor model/" in said


def test_a_damaged_checkpoint_is_an_error_of_its_own(finished: Path) -> None:
    path = finished / CHECKPOINT
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        verify_run(finished)
    assert run(["verify", "run"]) == 4


class Epochs(Callback):
    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        self.seen.append(record.epoch)


def test_a_repetition_ends_at_the_first_epoch_that_is_another(finished: Path) -> None:
    falsify(finished / "config.json", put("seed", 1))
    epochs = Epochs()
    verification = verify_run(finished, [epochs])
    assert epochs.seen == [1]
    assert verification.differences[0].startswith("config.json: seed: 1, but checkpoint")
    repeated = [line for line in verification.differences if "repeated" in line]
    assert repeated[0].startswith("history.json: epoch 1: loss: ")
    assert not any("result.json" in line for line in repeated)


def test_a_repetition_ends_where_the_run_has_no_more_epochs(finished: Path) -> None:
    falsify(finished / "config.json", put("recipe.epochs", 1000))
    epochs = Epochs()
    assert not verify_run(finished, [epochs]).matches
    assert epochs.seen == [1, 2, 3]


class StopAfter(Callback):
    """Ends the fit after some epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        if record.epoch == self.epochs:
            run.stop("enough")


def test_a_run_that_was_stopped_early_is_repeated_as_far_as_it_came(here: Path) -> None:
    data = write_tiny_csv(here / "tiny.csv", rows=80)
    config = ExperimentConfig(
        model="linearnet", data=data, recipe=Recipe(epochs=5), out=here / "run", pictures=False
    )
    assert run_experiment(config, [StopAfter(1)]).result["stop_reason"] == "enough"
    verification = verify_run(here / "run")
    assert verification.differences == ()
    assert verification.epochs == 1


def test_what_cannot_be_repeated_is_told_as_an_error_of_the_folder(finished: Path) -> None:
    falsify(finished / "config.json", put("device", "cuda:77"))
    with pytest.raises(RunFolderError, match="run: cannot be repeated here: Device 'cuda:77'"):
        verify_run(finished)


def test_what_is_no_run_folder_is_named(finished: Path) -> None:
    with pytest.raises(RunFolderError, match="no such run folder"):
        verify_run(finished / "nothing")
    (finished / "config.json").unlink()
    with pytest.raises(RunFolderError, match="is not the folder of a finished training"):
        verify_run(finished)


# --- resume ---------------------------------------------------------------------------------------


def test_a_finished_run_is_resumed_to_what_it_is(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(finished)
    words = command("train", finished)
    assert run(words) == 0
    printed = capsys.readouterr()
    assert f"{finished}: its training is finished; nothing to do" in printed.err
    assert printed.out.splitlines()[0].startswith("test: loss ")
    assert run([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"folder": str(finished), **json.loads((finished / "result.json").read_text())}
    assert files_of(finished) == before


def test_a_finished_run_is_the_experiment_that_it_was(here: Path) -> None:
    data = write_tiny_csv(here / "tiny.csv", rows=80)
    config = ExperimentConfig(
        model="linearnet", data=data, recipe=Recipe(epochs=1), out=here / "run", resume=True
    )
    first, again = run_experiment(config), run_experiment(config)
    assert again.result == first.result
    assert again.test == first.test
    assert repr(again.scores) == repr(first.scores)  # nan is not equal to nan
    assert again.trainer.history == first.trainer.history
    assert again.notes == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "different seed: 0, and not 1"),
        ({"recipe": Recipe(epochs=3)}, "different recipe.epochs: 2, and not 3"),
        ({"execution": "eager"}, 'different execution: "auto", and not "eager"'),
        ({"model": "cnn"}, 'different model.name: "linearnet", and not "cnn"'),
        ({"valid_fraction": 0.3}, "different data.fit.rows: 51, and not"),
        ({"split_seed": 1}, "different data.fit.fingerprint"),
        ({"data": Path("copy.csv")}, "different data.source"),
    ],
)
def test_a_finished_run_is_not_that_of_other_settings(
    change: dict[str, Any], said: str, finished: Path
) -> None:
    before = files_of(finished)
    data = Path(json.loads((finished / "config.json").read_text())["data"]["source"])
    Path("copy.csv").write_bytes(data.read_bytes())
    config = ExperimentConfig(
        model="linearnet", data=data, recipe=Recipe(epochs=2), out=finished, resume=True
    )
    with pytest.raises(ConfigurationError, match=f"was started with a {said}"):
        run_experiment(dataclasses.replace(config, **change))
    assert files_of(finished) == before


def test_a_resumed_run_tells_what_is_not_as_it_was(
    finished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = command("train", finished)
    for name in ("result.json", CHECKPOINT):
        (finished / name).unlink()
    for place, value in {
        "versions.torch": "1.0",
        "versions.fmnistlab": "0.0.1",
        "versions.numpy": "0.1",
        "threads": 7,
        "device": "cuda:0",
    }.items():
        falsify(finished / "config.json", put(place, value))
    with caplog.at_level(logging.WARNING):
        assert run(words) == 0
    (told,) = (record.message for record in caplog.records if "goes on with" in record.message)
    assert "torch 2." in told
    assert "instead of 1.0" in told
    assert "instead of 0.0.1" in told
    assert "type of device cpu instead of cuda" in told
    assert "threads 1 instead of 7" in told
    assert "numpy" not in told


def test_a_run_resumed_on_the_same_machine_tells_nothing(
    finished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = command("train", finished)
    (finished / "result.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert run(words) == 0
    assert "goes on with" not in caplog.text


def test_options_that_no_file_can_hold_are_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))

    @registry.register_model("with-option")
    def with_option(size: object) -> torch.nn.Module:
        return LinearNet()

    config = ExperimentConfig(
        model="with-option",
        model_options={"size": {1, 2}},
        data=write_tiny_csv(here / "tiny.csv", rows=80),
        out=here / "run",
    )
    with pytest.raises(ConfigurationError, match="options of model 'with-option' cannot be writ"):
        run_experiment(config)
    assert not (here / "run").exists()


def test_options_are_the_same_options_after_a_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))

    @registry.register_model("with-pair")
    def with_pair(size: object) -> torch.nn.Module:
        return LinearNet()

    config = ExperimentConfig(
        model="with-pair",
        model_options={"size": (1, 2.5)},
        data=write_tiny_csv(here / "tiny.csv", rows=80),
        recipe=Recipe(epochs=1),
        out=here / "run",
        resume=True,
    )
    first = run_experiment(config)
    assert run_experiment(config).result == first.result
