"""Killed anywhere, as often as it takes, a search that is started again gives the same trials."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor
from tests.experiments.comparisons import data_beside
from tests.experiments.searches import bits, small, told
from tests.faults.children import Child

from fmnistlab.training.recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

KILLS = 8


def begin(folder: Path) -> list[tuple[object, ...]]:
    return told(small(folder, trials=9, recipe=Recipe(epochs=4)))


def test_a_search_that_was_killed_gives_the_trials_of_one_that_was_not(here: Path) -> None:
    data_beside(here / "out")
    whole = Child(lambda: begin(here / "whole")).wait()
    assert whole.error == ""
    chooser = random.Random(os.environ.get("PYTEST_RANDOMLY_SEED", "0"))
    killed = 0
    for _ in range(KILLS):
        child = Child(lambda: begin(here / "out"))
        time.sleep(chooser.random() * whole.seconds * 0.6)
        child.signal(signal.SIGKILL)
        killed += child.wait().code == -signal.SIGKILL
    last = Child(lambda: begin(here / "out")).wait()
    assert last.error == ""
    assert killed > KILLS / 2
    assert last.result == whole.result
    assert bits(here / "out") == bits(here / "whole")


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data_beside(here / "out")

    def interrupted() -> str:
        try:
            begin(here / "out")
        except KeyboardInterrupt:
            return " ".join(record.message for record in caplog.records)
        return "not interrupted"

    child = Child(interrupted)
    while not (here / "out" / "trials" / "0002" / "config.json").exists():
        time.sleep(0.001)
    child.signal(signal.SIGINT)
    ending = child.wait()
    assert ending.error == ""
    assert f"{here / 'out'}: what is finished is kept; the same call goes on" in ending.result
    get_reusable_executor().shutdown(wait=True)
    assert begin(here / "out") == begin(here / "whole")
