"""`fmnistlab compare` and `fmnistlab runs` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import error_of

from fmnistlab.cli.main import run


def compare(*words: str) -> int:
    return run(["compare", *words, "--data", ".", "--epochs", "1", "--jobs", "1", "--out", "out"])


def test_a_comparison_answers_in_words_and_goes_on(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare("linearnet", "linearnet@classic,epochs=2", "--seeds", "2") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("variant")
    assert "linearnet@classic,epochs=2" in printed
    assert any(word in printed for word in ("better", "told apart", "practically equal"))
    assert printed.endswith("comparison: out\nreport: out/report.html\n")
    names = {path.name for path in (tiny / "out").iterdir()}
    assert {"comparison.json", "comparison.md", "comparison.tex", "runs"} <= names
    assert len(list((tiny / "out/runs").iterdir())) == 4
    assert compare("linearnet", "linearnet@classic,epochs=2", "--seeds", "0-2", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [variant["seeds"] for variant in told["variants"]] == [[0, 1, 2]] * 2
    extended = "Extended after 4 runs were finished: 2 to 3 seeds"
    assert any(note.startswith(extended) for note in told["notes"])
    assert [run["state"] for run in told["runs"]] == ["done"] * 6
    written = json.loads((tiny / "out/comparison.json").read_text())
    assert written["result"] == {name: part for name, part in told.items() if name != "folder"}


def test_runs_are_a_leaderboard(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare("linearnet", "--seeds", "2")
    capsys.readouterr()
    assert run(["runs", "out", "--sort", "val_accuracy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["folder", "model", "recipe"]
    assert len(lines) == 4
    assert run(["runs", "out", "--sort", "val_accuracy", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found[0]["val_accuracy"] >= found[1]["val_accuracy"]
    assert {one["seed"] for one in found} == {0, 1}
    (tiny / "empty").mkdir()
    assert run(["runs", "empty"]) == 0
    assert capsys.readouterr() == ("", "note: there are no runs below empty\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["linearnt"], "linearnt"),
        (["linearnet", "LinearNet"], "The variant linearnet is there twice"),
        (["linearnet", "linearnet@classic,epochs=1"], "there twice, also as linearnet"),
        (["linearnet@clasic"], "There is no recipe 'clasic'"),
        (["linearnet", "--seeds", "0"], "--seeds"),
        (["linearnet", "--seeds", "two"], "--seeds: 'two' is no seed"),
        (["linearnet", "--seeds", "3-1"], "--seeds: 3-1 runs backwards"),
        (["linearnet", "--seeds", "1,1"], "only once"),
        (["linearnet", "--smallest", "0"], "--smallest"),
        (["linearnet", "--smallest", "half"], "--smallest"),
        (["linearnet", "--baseline", "cnn"], "--baseline is 'cnn', which is not compared here"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_written(
    words: list[str], said: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(*words) in (1, 2)
    assert said in error_of(capsys)
    assert not (tiny / "out").exists()
