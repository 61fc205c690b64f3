"""Trainings that raise, end the process or are killed: the others finish, and all is told."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor
from tests.experiments.comparisons import (
    Plain,
    contents,
    facts,
    failing,
    killed,
    omens,
    plain,
    registered,
    small,
    words,
)
from torch import nn

from fmnistlab.cli.main import run
from fmnistlab.errors import WorkerError
from fmnistlab.models import registry

pytestmark = pytest.mark.usefixtures("nothing_stays")


@pytest.fixture
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Models and processes of one test are not there in the next."""
    monkeypatch.setattr(registry, "_registered", {})
    yield
    get_reusable_executor().shutdown(wait=True)


ERRORS = {
    "an error": ("ValueError('planted')", "ValueError: planted"),
    "an end": ("SystemExit(3)", "SystemExit: 3"),
    "letters that act": (r"ValueError('\x1b[2Jplanted\r')", r"ValueError: \x1b[2Jplanted\r"),
}


@pytest.mark.parametrize(
    ("kind", "jobs"),
    [("an error", 1), ("an end", 1), ("letters that act", 1), ("an end", 2)],
)
def test_a_model_fails_with_some_seeds_and_the_others_finish(
    kind: str, jobs: int, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error, reason = ERRORS[kind]
    model, other = failing("some-fail", here / "healed", error), plain("none-fails")
    doomed = [seed for seed, omen in enumerate(omens(model, 4)) if omen < 0.5]
    assert 0 < len(doomed) < 4
    found = small(here / "out", model, other, seeds=4, n_jobs=jobs)
    assert [run.seed for run in found.failures] == doomed
    assert {run.variant for run in found.failures} == {model}
    assert {str(run.reason) for run in found.failures} == {reason}
    assert [len(variant.seeds) for variant in found.variants] == [4 - len(doomed), 4]
    for text in (str(found), found.to_markdown(), (here / "out" / "comparison.md").read_text()):
        assert f"{model}, seed {doomed[0]}, failed" in text
        assert "planted" in text or kind == "an end"
        assert "\x1b" not in text
    notes = [*(here / "out" / "runs").glob("*/failure.json")]
    assert len(notes) == len(doomed)
    assert "Traceback" in json.loads(notes[0].read_text())["traceback"]
    finished = contents(here / "out" / "runs")

    assert run(words(here / "out", model, other, seeds="4", jobs=jobs)) == 1
    assert f"{model}, seed {doomed[0]}, failed" in capsys.readouterr().out
    again = contents(here / "out" / "runs")
    kept = [name for name in finished if "failure.json" not in name]
    assert {name: again[name] for name in kept} == {name: finished[name] for name in kept}

    (here / "healed").touch()
    assert run(words(here / "out", model, other, seeds="4", jobs=jobs)) == 0
    assert not [*(here / "out" / "runs").glob("*/failure.json")]
    again = contents(here / "out" / "runs")
    assert {name: again[name] for name in kept} == {name: finished[name] for name in kept}
    small(here / "fresh", model, other, seeds=4)
    assert facts(here / "out") == facts(here / "fresh")


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_failure_can_end_it(jobs: int, here: Path) -> None:
    model, other = failing("all-fail", here / "healed", "ValueError('planted')"), plain("other")
    seeds = [seed for seed, omen in enumerate(omens(model, 8)) if omen < 0.5]
    found = small(here / "out", model, other, seeds=seeds, n_jobs=jobs, fail_fast=True)
    assert 1 <= len(found.failures) <= jobs  # those at work when the first one fails are finished
    assert len(found.runs) == 2 * len(seeds)
    assert any(run.state in ("missing", "begun") for run in found.runs)
    (here / "healed").touch()
    found = small(here / "out", model, other, seeds=seeds, n_jobs=jobs, fail_fast=True)
    assert {run.state for run in found.runs} == {"done"}


def test_a_killed_process_is_told_and_what_is_missing_made_by_fewer(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, other = killed("killed-once", here, times=1), plain("other")
    found = small(here / "out", model, other, seeds=3, n_jobs=2)
    assert {run.state for run in found.runs} == {"done"}
    told = [record.message for record in caplog.records if "killed" in record.message]
    assert len(told) == 1
    assert "going on with 1 at a time" in told[0]
    small(here / "fresh", model, other, seeds=3)
    assert facts(here / "out") == facts(here / "fresh")


def test_a_process_that_is_killed_again_ends_it_and_the_same_call_goes_on(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, other = killed("killed-twice", here, times=2), plain("other")
    assert run(words(here / "out", other, model, seeds="2", jobs=2)) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("fmnistlab: error: A process that was training was killed")
    assert "What is trained is kept" in said
    assert "--jobs 1" in said
    finished = contents(here / "out" / "runs")
    kept = [name for name in finished if "result.json" in name]
    assert run(words(here / "out", other, model, seeds="2", jobs=2)) == 0
    again = contents(here / "out" / "runs")
    assert {name: again[name] for name in kept} == {name: finished[name] for name in kept}


def test_what_cannot_be_sent_to_another_process_is_named(here: Path) -> None:
    lock = threading.Lock()

    def make() -> nn.Module:
        with lock:
            return Plain()

    model = registered("holds-a-lock", make)
    with pytest.raises(WorkerError, match=r"cannot be given .*n_jobs=1"):
        small(here / "out", model, plain("other"), n_jobs=2)
    assert not small(here / "out", model, plain("other")).failures


def test_processes_that_are_used_again_write_where_this_one_is(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stay in the folder in which the first call has started them."""
    for name in ("first", "second"):
        (here / name).mkdir()
        monkeypatch.chdir(here / name)
        assert not small(Path("out"), plain("one"), n_jobs=2).failures
        assert len([*(here / name / "out" / "runs").glob("*/result.json")]) == 2


def test_the_log_says_what_is_to_be_made(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    small(here / "out", plain("one"), plain("other"))
    small(here / "out", "one", "other", seeds=3)
    told = [record.message for record in caplog.records if "to be made" in record.message]
    assert told == ["4 of 4 runs are to be made", "2 of 6 runs are to be made"]
