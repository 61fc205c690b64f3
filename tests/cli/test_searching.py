"""`fmnistlab search` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import error_of

from fmnistlab.cli.main import run

SPACE = "[learning_rate]\nlow = 1e-4\nhigh = 1e-1\nlog = true\n"


def search(*words: str) -> int:
    (Path.cwd() / "space.toml").write_text(SPACE)
    given = ["--data", ".", "--epochs", "1", "--fresh-seeds", "2", "--out", "out", *words]
    space = [] if "--space" in words else ["--space", "space.toml"]
    return run(["search", "linearnet", *given, *space])


def test_a_search_answers_in_words_and_its_winner_can_be_trained(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search("--trials", "3") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("trial  settings")
    assert "3 trials of linearnet: 3 trained to the end." in printed
    assert "which the search never saw" in printed
    assert printed.endswith("search: out\n")
    assert search("--trials", "4", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [trial["number"] for trial in told["trials"]] == [0, 1, 2, 3]
    assert told["count"] == 4
    best = ["--recipe", "out/best.toml", "--data", ".", "--out", "again"]
    assert run(["train", "linearnet", *best]) == 0
    recipe = json.loads((tiny / "again" / "config.json").read_text())["recipe"]
    assert recipe == told["recipe"]
    assert run(["verify", "out/trials/0000"]) == 0
    assert run(["evaluate", "out/trials/0000"]) == 0
    assert run(["runs", "out/trials"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--trials", "none"], "--trials is 'none'"),
        (["--trials", "0"], "--trials is 0"),
        (["--fresh-seeds", "1"], "--fresh-seeds is 1"),
        (["--jobs", "0"], "--jobs is 0"),
        (["--space", "spce.toml"], "Did you mean 'space.toml'"),
        (["--space", "space"], "ends in .toml or .json"),
        (["--set", "epoch=3"], "Did you mean 'epochs'"),
        (["--lr", "0.1"], "learning_rate is given, and space.toml searches it too"),
        (["--set", "learning_rate=0.1"], "learning_rate is given, and space.toml searches it too"),
        (["--learning-rate-range"], "--learning-rate-range does not search; leave out --space"),
        (["--jobs", "2000"], "-1 for one for each core, or -2 for one less"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_written(
    words: list[str], said: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(*words) == 2
    assert said in error_of(capsys)
    assert not (tiny / "out").exists()


def test_the_folder_of_another_search_is_refused(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search("--trials", "1") == 0
    capsys.readouterr()
    assert search("--trials", "1", "--seed", "1") == 1
    assert "another seed: 0, and not 1" in error_of(capsys)


def test_a_range_test_tells_rates_and_draws_them(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "search",
        "linearnet",
        "--learning-rate-range",
        "--data",
        ".",
        "--set",
        "optimizer=sgd",
    ]
    assert run(words) == 0
    assert "learning rate of" in capsys.readouterr().out
    assert [path.name for path in tiny.iterdir() if path.is_dir()] == []
    assert run([*words, "--out", "out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["picture"] == "out/learning-rate-range.png"
    assert (tiny / told["picture"]).stat().st_size > 1000
    assert told["rates"][0] == 1e-5
