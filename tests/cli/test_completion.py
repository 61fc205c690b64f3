"""The completion scripts, asked in a real shell what it would offer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.plugin_factory import Plugin, installed

from fmnistlab.cli.completion import SHELLS
from fmnistlab.cli.main import run

BASH = shutil.which("bash")
ASK = """
source completion.bash
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
COMP_LINE="${{COMP_WORDS[*]}}"
COMP_POINT=${{#COMP_LINE}}
_shtab_fmnistlab
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def script(here: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    with pytest.raises(SystemExit) as ended:
        run(["--print-completion", "bash"])
    assert ended.value.code == 0
    path = here / "completion.bash"
    path.write_text(capsys.readouterr().out)
    return path


def offered(*words: str, path: Path | None = None) -> set[str]:
    """What bash offers for the last of some words, with our program on its PATH."""
    assert BASH is not None
    beside = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([beside, os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(path or ""), *sys.path])),
    }
    quoted = " ".join(f"'{word}'" for word in ("fmnistlab", *words))
    done = subprocess.run(
        [BASH, "--norc", "-c", ASK.format(words=quoted)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


needs_bash = pytest.mark.skipif(BASH is None, reason="there is no bash")


@needs_bash
def test_bash_completes_commands_and_options(script: Path) -> None:
    commands = {"train", "evaluate", "predict", "verify", "models", "data"}
    assert offered("") >= commands
    assert offered("tr") == {"train"}
    assert offered("train", "cnn", "--ep") == {"--epochs"}
    assert offered("train", "cnn", "--checkpoint-") == {
        "--checkpoint-steps",
        "--checkpoint-epochs",
        "--checkpoint-seconds",
    }
    assert offered("train", "cnn", "--execution", "") >= {"auto", "eager", "recorded"}
    assert offered("--print-completion", "") >= set(SHELLS)


@needs_bash
def test_bash_completes_models_of_packages_and_files(script: Path, here: Path) -> None:
    for name in ("my_model.py", "notes.txt", "data.csv"):
        (here / name).touch()
    (here / "nets").mkdir()
    with installed(here / "site", Plugin("acme", {"fine": "acme:build"})):
        assert {"cnn", "fine", "linearnet", "my_model.py", "nets"} <= offered(
            "train", "", path=here / "site"
        )
    assert offered("train", "li") == {"linearnet"}
    assert offered("models", "cn") == {"cnn"}
    assert offered("train", "my") == {"my_model.py"}
    assert offered("train", "no") == set()
    assert offered("evaluate", "out", "--model", "my") == {"my_model.py"}


@needs_bash
def test_bash_completes_recipes_of_packages_and_files(script: Path, here: Path) -> None:
    for name in ("my.toml", "my.json", "my.csv"):
        (here / name).touch()
    with installed(here / "site", Plugin("acme", "[fmnistlab.recipes]\nmine = acme:MINE\n")):
        assert {"classic", "mine", "my.toml"} <= offered(
            "train", "cnn", "--recipe", "", path=here / "site"
        )
    assert offered("recipes", "my") == {"my.toml", "my.json"}


@needs_bash
def test_bash_completes_files(script: Path, here: Path) -> None:
    (here / "runs").mkdir()
    (here / "data.csv").touch()
    assert offered("evaluate", "ru") == {"runs"}
    assert offered("train", "cnn", "--data", "da") == {"data.csv"}
    assert offered("predict", "runs", "da") == {"data.csv"}
    assert offered("train", "cnn", "--out", "ru") == {"runs"}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["--print-completion", shell])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for word in ("--checkpoint-seconds", "evaluate", "fmnistlab models --names"):
        assert word in printed or word.lstrip("-") in printed


def test_without_shtab_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert run(["--print-completion", "bash"]) == 1
    assert capsys.readouterr().err == (
        "fmnistlab: error: completion scripts need shtab: python -m pip install "
        "'fmnistlab[completion]'\n"
    )
