"""Metrics on the command line: printed after each epoch, recorded, verified, measured again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.cli.commands import error_of, train

from fmnistlab.cli.main import run
from fmnistlab.experiments import read_config

TWO = ["--metric", "top_2_accuracy", "--metric", "error"]


def test_they_are_columns_of_every_table(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(*TWO) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    names = ["val_top_2_accuracy", "val_error"]
    assert header.split()[5:] == [*names, "seconds"]
    assert {len(line) for line in lines[:3]} == {len(header)}
    epochs = json.loads(Path("out/history.json").read_text())["epochs"]
    with Path("out/history.csv").open() as stream:
        rows = [*csv.DictReader(stream)]
    for epoch, row, line in zip(epochs, rows, lines, strict=False):
        values = [epoch["val_extra"][name.removeprefix("val_")] for name in names]
        assert [float(row[name]) for name in names] == values
        assert [float(cell) for cell in line.split()[5:7]] == pytest.approx(values, abs=1e-4)
    result = json.loads(Path("out/result.json").read_text())
    assert result["validation"]["extra"] == epochs[-1]["val_extra"]
    tested = result["test"]["extra"]
    assert tested["error"] == pytest.approx(1 - result["test"]["accuracy"])
    assert f", top_2_accuracy {tested['top_2_accuracy']:.4f}, error " in lines[3]
    assert read_config(Path("out")).metrics == ("top_2_accuracy", "error")


def test_a_run_with_metrics_is_verified_and_gone_on_with_as_it_is(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*TWO) == 0
    assert run(["verify", "out"]) == 0
    assert train(*TWO, "--resume") == 0
    capsys.readouterr()
    assert train("--metric", "error", "--resume") == 2
    assert "was started with a different metrics" in capsys.readouterr().err
    path = Path("out/history.json")
    path.write_text(path.read_text().replace('"error": 0.', '"error": 1.', 1))
    assert run(["verify", "out"]) == 1
    assert "epoch 1: val_extra.error" in capsys.readouterr().out


def test_evaluate_measures_what_the_run_did_and_more(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*TWO) == 0
    capsys.readouterr()
    assert run(["evaluate", "out", "--metric", "macro_f1", "--metric", "error"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    parts = [part.split()[0] for part in first.split(", ")]
    assert parts[-4:] == ["top_2_accuracy", "error", "macro_f1", "50"]
    assert run(["evaluate", "out", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["extra"] == json.loads(Path("out/result.json").read_text())["test"]["extra"]
    assert printed["average_flips"] is None


def test_averaging_is_a_line_of_its_own(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train() == 0
    capsys.readouterr()
    assert run(["evaluate", "out"]) == 0
    plain = capsys.readouterr().out
    assert "mirror" not in plain
    assert run(["evaluate", "out", "--average-flips"]) == 0
    printed = capsys.readouterr().out
    first, second, rest = printed.split("\n", 2)
    assert f"{first}\n{rest}" == plain
    assert second.endswith(", 50 images, averaged with mirror images")
    assert run(["evaluate", "out", "--average-flips", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["average_flips"]["count"] == content["count"] == 50
    assert f"loss {content['average_flips']['loss']:.4f}," in second
    assert f"loss {content['loss']:.4f}," in first


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "top_2"], "There is no metric 'top_2'. Did you mean 'top_2_accuracy'"),
        (["--metric", "error", "--metric", "error"], "--metric has error twice."),
        (["--metric", "mine.py:f"], "There is no metric 'mine.py:f'."),
    ],
)
def test_what_cannot_be_measured_is_refused_before_data_is_read(
    words: list[str], said: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in tiny.glob("fashion-mnist*"):
        path.unlink()
    assert train(*words) == 2
    assert said in error_of(capsys)
    assert not Path("out").exists()
