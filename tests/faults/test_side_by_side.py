"""Trials side by side are counted like trials one after the other, whatever becomes of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from pathlib import Path

import pytest
from tests.faults import side_by_side
from tests.faults.score import Score
from tests.faults.side_by_side import tried

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


@pytest.mark.parametrize("each", [1, 3, 10])
def test_scores_are_in_the_order_of_the_numbers(each: int) -> None:
    def one(number: int, score: Score) -> None:
        score.figures["sum"] += number
        score.notes.append(f"note {number}")
        score.count(good=number % 2 == 0, trial=f"trial {number}")

    score = tried(one, 7, each=each)
    assert (score.passed, score.total, score.figures["sum"]) == (4, 7, 21)
    assert score.failures == ["trial 1", "trial 3", "trial 5"]
    assert score.notes == [f"note {number}" for number in range(7)]


def test_a_trial_can_wait_for_a_later_one() -> None:
    reader, writer = os.pipe()

    def one(number: int, score: Score) -> None:
        said = os.read(reader, 1) if number == 0 else os.write(writer, b"x")
        score.count(good=said in (b"x", 1), trial=str(said))

    score = tried(one, 2, at_once=2)
    os.close(reader)
    os.close(writer)
    assert (score.passed, score.total) == (2, 2)


def test_no_more_run_at_once_than_may(tmp_path: Path) -> None:
    def one(number: int, score: Score) -> None:
        handle = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until the process ends
            score.count(good=sum(range(10**6)) > 0, trial="")

    score = tried(one, 8, at_once=1)
    assert score.passed == 8


def test_a_process_that_dies_or_raises_is_a_failure_and_the_others_count() -> None:
    def one(number: int, score: Score) -> None:
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 2:
            raise ValueError("planted")
        score.count(good=True, trial="")

    score = tried(one, 4)
    assert (score.passed, score.total) == (2, 4)
    assert "trial 1" in score.failures[0]
    assert "code=-9" in score.failures[0]
    assert "ValueError: planted" in score.failures[1]


def test_a_process_that_hangs_is_ended_and_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "LONGEST", 0.2)

    def one(number: int, score: Score) -> None:
        signal.pause()

    score = tried(one, 2, each=2)
    assert (score.passed, score.total) == (0, 1)
    assert "code=-9" in score.failures[0]
