"""Commands as the tests call them, and what they say."""

from __future__ import annotations

import pytest

from fmnistlab.cli.main import run


def train(*words: str) -> int:
    """Trains LinearNet briefly on the files of the working folder; returns the exit code."""
    epochs = [] if "--epochs" in words else ["--epochs", "3"]
    return run(["train", "linearnet", "--data", ".", "--out", "out", *epochs, *words])


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("fmnistlab: error: ")
    return lines[0]
