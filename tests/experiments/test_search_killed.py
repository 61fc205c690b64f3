"""Killed anywhere, as often as it takes, a search that is started again gives the same trials."""

from __future__ import annotations

import os
import random
import select
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


def begin(folder: Path) -> list[tuple[object, ...]]:
    return told(small(folder, trials=9, recipe=Recipe(epochs=4)))


def killed_at(folder: Path, pattern: str, chooser: random.Random) -> bool:
    """Begins the search and kills it soon after a file is there; returns whether it was in time."""
    child = Child(lambda: begin(folder))
    while not any(folder.glob(pattern)) and not select.select([child], [], [], 0.001)[0]:
        pass
    time.sleep(chooser.random() * 0.02)
    child.signal(signal.SIGKILL)
    return child.wait().code == -signal.SIGKILL


def test_a_search_that_was_killed_gives_the_trials_of_one_that_was_not(here: Path) -> None:
    data_beside(here / "out")
    chooser = random.Random(os.environ.get("PYTEST_RANDOMLY_SEED"))
    files = ("config.json", "checkpoints/*", "result.json")
    places = [
        f"trials/{n:04d}/{chooser.choice(files)}" for n in sorted(chooser.sample(range(9), 4))
    ]
    for place in ["search.json", *places, f"winner-*/runs/*/{chooser.choice(files)}"]:
        assert killed_at(here / "out", place, chooser), place
    last = Child(lambda: begin(here / "out")).wait()
    whole = Child(lambda: begin(here / "whole")).wait()
    assert (last.error, whole.error) == ("", "")
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
