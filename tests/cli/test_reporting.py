"""`fmnistlab report`, `train --report`, and the page that every `compare` writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.cli.commands import error_of, train

from fmnistlab.cli.main import run


def test_a_run_is_reported_and_again_over_it(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", "run"]) == 0
    assert capsys.readouterr().out == f"report: {Path('run/report.html')}\n"
    first = (finished / "report.html").read_bytes()
    assert run(["report", "run", "-o", "page.html", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": "page.html", "bytes": len(first)}
    assert Path("page.html").read_bytes() == first


def test_train_writes_one_if_asked(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--report") == 0
    assert (tiny / "out/report.html").read_text("utf-8").startswith("<!doctype html>")
    assert run(["verify", "out"]) == 0  # a report is no difference


def test_every_comparison_writes_one(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "linearnet", "--seeds", "2", "--data", ".", "--epochs", "1"]
    assert run([*words, "--jobs", "1", "--out", "out"]) == 0
    assert capsys.readouterr().out.endswith("comparison: out\nreport: out/report.html\n")
    before = (tiny / "out/report.html").read_bytes()
    assert run(["report", "out"]) == 0
    assert (tiny / "out/report.html").read_bytes() == before


def test_it_is_shown_in_the_browser(
    finished: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = here / "browser.py"
    browser.write_text("import sys; open('asked', 'w').write(sys.argv[1])")
    monkeypatch.setenv("BROWSER", f"{sys.executable} {browser} %s")
    assert run(["report", "run", "--open"]) == 0
    assert (here / "asked").read_text() == (finished / "report.html").as_uri()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "nothing: there is no such run folder."),
        (["."], "is not the folder of a finished training"),
        (["run", "-o", "gone/page.html"], "the folder that it would be in does not exist"),
        (["run", "-o", "run"], "it is a folder; name a file"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    finished: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(["report", *words]) == 1
    assert said in error_of(capsys)
