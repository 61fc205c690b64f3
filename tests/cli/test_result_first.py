"""The test result is printed before pictures are drawn, and no failure to print it stops them."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import pytest
from tests.cli.commands import train

PICTURES = {"confusion.png", "curves.png", "mistakes.png", "samples.png"}


class Watched(io.StringIO):
    """Standard output that notes what lies in the run folder when the test result is written."""

    def __init__(self, folder: Path, *, full: bool) -> None:
        super().__init__()
        self.folder, self.full = folder, full
        self.lay_there: set[str] = set()

    def write(self, text: str) -> int:
        if text.startswith("test: "):
            self.lay_there = {path.name for path in self.folder.iterdir()}
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(text)


@pytest.mark.parametrize("full", [False, True])
def test_the_result_is_printed_before_pictures_are_drawn(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    watched = Watched(tiny / "out", full=full)
    monkeypatch.setattr(sys, "stdout", watched)
    assert train() == (5 if full else 0)
    assert {"checkpoint.safetensors", "history.json"} <= watched.lay_there
    assert not watched.lay_there & {*PICTURES, "result.json"}
    assert {path.name for path in (tiny / "out").iterdir()} > {*PICTURES, "result.json"}
    if not full:
        assert [line.split(":")[0] for line in watched.getvalue().splitlines()[-2:]] == [
            "test",
            "run folder",
        ]
