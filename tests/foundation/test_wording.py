"""Messages call a setting as the user gives it: in Python, and on the command line."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnistlab.errors import ConfigurationError, RunFolderError
from fmnistlab.experiments.run_folder import RunFolder
from fmnistlab.foundation.checks import whole_number
from fmnistlab.foundation.wording import setting, spoken
from fmnistlab.training.recipes.recipe import Recipe

OPTIONS = {"learning_rate": "--lr", "out": "--out", "resume": "--resume"}


def test_a_setting_is_called_as_it_is_written() -> None:
    in_python = [setting("learning_rate"), setting("out", ...), setting("resume", value=True)]
    assert in_python == ["learning_rate", "out=...", "resume=True"]
    assert (setting("out", "a b"), setting("seed", 3)) == ('out="a b"', "seed=3")
    with spoken(OPTIONS):
        on_command_line = [
            setting("learning_rate"),
            setting("out", ...),
            setting("resume", value=True),
        ]
        assert on_command_line == ["--lr", "--out", "--resume"]
        assert setting("out", "a b") == "--out 'a b'"
        assert setting("momentum") == "momentum"  # it has no option
        with spoken({}):
            assert setting("learning_rate") == "learning_rate"
        assert setting("learning_rate") == "--lr"
    assert setting("learning_rate") == "learning_rate"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_value_comes_back_from_the_words_of_both(value: str) -> None:
    with spoken(OPTIONS):
        assert shlex.split(setting("out", value)) == ["--out", value]
    assert eval(f"dict({setting('out', value)})") == {"out": value}


def test_errors_speak_of_python_where_no_command_runs(here: Path) -> None:
    (here / "notes.txt").touch()
    with pytest.raises(RunFolderError) as caught:
        RunFolder.create(here, "x")
    assert "Name another folder with out=..., " in str(caught.value)
    assert "go on with resume=True if" in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"^learning_rate is -1\.0; use"):
        Recipe(learning_rate=-1.0)
    with spoken(OPTIONS), pytest.raises(ConfigurationError, match=r"^--lr is 0; use"):
        whole_number("learning_rate", 0)
