"""A model in a file: trained, gone on with, measured, applied and verified by the commands."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fmnistlab.cli.main import run
from fmnistlab.experiments.verification import verify_run
from fmnistlab.testing import write_tiny_csv

SOURCE = """\
from pathlib import Path

from torch import nn

with Path({ran!r}).open("a") as stream:
    stream.write("x")


class Net(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.Linear(hidden, 10))

    def forward(self, images):
        return self.layers(images)
"""


@pytest.fixture
def folder(here: Path) -> Path:
    """A working folder with data and `nets/my_model.py`, which notes in `ran` that it was run."""
    write_tiny_csv("fashion-mnist_train.csv", rows=100)
    write_tiny_csv("fashion-mnist_test.csv", rows=20, seed=1)
    (here / "nets").mkdir()
    (here / "nets/my_model.py").write_text(SOURCE.format(ran=str(here / "ran")))
    return here


def train(*words: str, model: str = "nets/my_model.py:Net") -> int:
    return run(["train", model, "--data", ".", "--epochs", "2", "--out", "out", "--json", *words])


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error: " in line)
    return line


def forget() -> None:
    """Makes this process one in which no code of these tests has run."""
    for name in [name for name in sys.modules if name.startswith(("_fmnistlab_", "some_nets"))]:
        del sys.modules[name]
    Path("ran").unlink(missing_ok=True)


def test_a_run_says_which_file_its_model_is_of(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train() == 0
    config = json.loads(Path("out/config.json").read_text())
    digest = hashlib.sha256(Path("nets/my_model.py").read_bytes()).hexdigest()
    assert config["model"] == {"name": "my_model.py:Net", "options": {}}
    assert config["origin"] == {
        "package": None,
        "version": None,
        "code": "my_model.py:Net",
        "sha256": digest,
    }
    assert json.loads(Path("out/result.json").read_text())["model"] == "my_model.py:Net"
    assert run(["models", "nets/my_model.py:Net"]) == 0
    assert "Linear" in capsys.readouterr().out


COMMANDS = {
    "evaluate": ["evaluate", "out"],
    "predict": ["predict", "out", "fashion-mnist_test.csv:0-2"],
    "verify": ["verify", "out"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("model", ["nets/my_model.py:Net", "some_nets:Net"])
def test_a_run_folder_makes_no_code_run_until_the_user_names_it(
    command: str,
    model: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    Path("some_nets.py").write_text(Path("nets/my_model.py").read_text())
    assert train(model=model) == 0
    forget()
    capsys.readouterr()
    assert run(COMMANDS[command]) == 4
    said = error_of(capsys)
    assert f"holds a model of {Path(model).name}, which no installed package offers" in said
    assert said.endswith("if you trust it, name it yourself with --model.")
    assert not Path("ran").exists()
    assert run([*COMMANDS[command], "--model", model]) == 0
    assert Path("ran").exists()
    assert "instead" not in capsys.readouterr().err
    forget()


def test_a_config_that_was_changed_makes_no_code_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checkpoint names a built-in model; the settings, which verify repeats, name a file."""
    assert train(model="linearnet") == 0
    path = Path("out/config.json")
    config = json.loads(path.read_text())
    config["model"]["name"] = "nets/my_model.py:Net"
    path.write_text(json.dumps(config))
    forget()
    capsys.readouterr()
    assert run(["verify", "out"]) == 1
    assert "Code is never run because a file names it" in capsys.readouterr().out
    assert not Path("ran").exists()


def test_a_training_from_a_file_goes_on_bit_by_bit(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train("--out", "whole") == 0

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fmnistlab.training.callbacks.progress.ProgressBar.on_epoch_end", interrupt)
        assert train("--checkpoint-steps", "1") == 130
    words = "--resume", "--checkpoint-steps", "1"
    capsys.readouterr()
    assert train(*words, model="linearnet") == 2
    assert 'different model.name: "my_model.py:Net", and not "linearnet"' in error_of(capsys)
    assert train(*words, model=f"{folder}/nets/my_model.py:Net") == 0
    both = (json.loads(Path(name, "result.json").read_text()) for name in ("whole", "out"))
    one, other = (record["weights_sha256"] for record in both)
    assert one == other
    capsys.readouterr()
    assert train(*words) == 0  # finished: its result is told again
    assert json.loads(capsys.readouterr().out)["weights_sha256"] == one


def test_a_file_that_has_changed_is_told_by_every_command(
    folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert train() == 0
    path = Path("nets/my_model.py")
    path.write_text(path.read_text().replace("return self", "return -self"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    for words in COMMANDS.values():
        caplog.clear()
        assert run([*words, "--model", "nets/my_model.py:Net"]) == (words[0] == "verify")
        assert f"now it is of my_model.py:Net (SHA-256 {digest}...)" in caplog.text
    changes = verify_run(Path("out"), model="nets/my_model.py:Net").environment
    assert any(digest in change for change in changes)
    forget()


def test_the_installed_command_finds_modules_of_the_working_folder(folder: Path) -> None:
    """Its own folder comes first on sys.path, not the working one."""
    Path("some_nets.py").write_text(Path("nets/my_model.py").read_text())
    program = Path(sys.executable).with_name("fmnistlab")
    for model in ("some_nets:Net", "nets/my_model.py:Net"):
        done = subprocess.run(
            [program, "models", model, "--json"], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout)["parameters"] == 784 * 8 + 8 + 80 + 10
    done = subprocess.run(
        [program, "train", "some_nets:Nett"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 2
    assert "some_nets has no 'Nett'. Did you mean 'Net'" in done.stderr
