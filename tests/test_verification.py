from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmnistlab import testing
from fmnistlab.cli.main import run
from fmnistlab.errors import RunFolderError
from fmnistlab.verification import verify_run


@pytest.fixture
def finished(here: Path) -> Path:
    """The run folder of a short training on a small CSV file."""
    testing.write_tiny_csv(here / "tiny.csv", rows=80)
    words = ["train", "linearnet", "--data", "tiny.csv", "--epochs", "2", "--out", "run"]
    assert run(words) == 0
    return here / "run"


def rewrite(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_run_can_be_repeated_to_the_last_bit(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(finished.parent.rglob("*"))
    capsys.readouterr()
    assert run(["verify", "run"]) == 0
    assert "match: 2 epochs, the weights and the test" in capsys.readouterr().out
    assert sorted(finished.parent.rglob("*")) == before
    assert run(["verify", "run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    result = json.loads((finished / "result.json").read_text())
    assert (said["matches"], said["epochs"]) == (True, 2)
    assert said["weights_sha256"] == result["weights_sha256"]


def test_the_first_departure_is_told_with_what_may_be_why(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def other_loss(history: dict[str, Any]) -> None:
        history["epochs"][0]["val_loss"] += 1e-9

    rewrite(finished / "history.json", other_loss)
    rewrite(finished / "config.json", lambda config: config["versions"].update(torch="1.0"))
    capsys.readouterr()
    assert run(["verify", "run"]) == 1
    said = capsys.readouterr().out
    assert "departed: epoch 1: val_loss" in said
    assert "perhaps because of: torch 1.0 then" in said
    assert "epoch 2" not in said


@pytest.mark.parametrize(
    ("name", "change", "departure"),
    [
        ("result.json", lambda r: r.update(weights_sha256="0" * 64), "weights_sha256"),
        ("result.json", lambda r: r["test"].update(loss=0.5), "test"),
        ("config.json", lambda c: c.update(seed=c["seed"] + 1), "epoch 1: loss"),
        ("config.json", lambda c: c["recipe"].update(epochs=3), "epoch 3: was not made then"),
        ("config.json", lambda c: c["data"]["test"].update(rows=1), "data"),
    ],
)
def test_every_departure_is_noticed(name: str, change: Any, departure: str, finished: Path) -> None:
    rewrite(finished / name, change)
    verification = verify_run(finished)
    assert not verification.matches
    assert verification.departures[0].startswith(departure)


def test_what_is_no_run_folder_is_named(finished: Path) -> None:
    rewrite(finished / "config.json", lambda config: config.pop("recipe"))
    with pytest.raises(RunFolderError, match=r"config\.json: is incomplete"):
        verify_run(finished)
    with pytest.raises(RunFolderError, match="no such run folder"):
        verify_run(finished / "nothing")
