"""Processes that are used again, in a folder that is gone by then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from joblib import Parallel, delayed
from tests.experiments.comparisons import small

from fmnistlab.foundation.working_folder import leave_missing_folder
from fmnistlab.recipes import Recipe
from fmnistlab.testing import tiny_dataset
from fmnistlab.training.seeds import fit_seeds


def meet(doomed: Path, met: Path) -> None:
    """Moves a process into a folder, and waits until two processes have done so."""
    os.chdir(doomed)
    (met / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len([*met.iterdir()]) < 2:
        assert time.monotonic() < end


def compare(folder: Path) -> None:
    assert {run.state for run in small(folder / "out", "linearnet", seeds=2, n_jobs=2).runs} == {
        "done"
    }


def fit(folder: Path) -> None:
    trainers = fit_seeds(
        "linearnet", tiny_dataset(40), seeds=range(2), recipe=Recipe(epochs=1), n_jobs=2
    )
    assert [trainer.history[-1].epoch for trainer in trainers] == [1, 1]


@pytest.mark.parametrize("work", [compare, fit])
def test_work_is_done_by_processes_whose_folder_is_gone(
    here: Path, work: Callable[[Path], None]
) -> None:
    doomed, met = here / "doomed", here / "met"
    doomed.mkdir()
    met.mkdir()
    Parallel(n_jobs=2)(delayed(meet)(doomed, met) for _ in range(2))
    doomed.rmdir()
    work(here)


def test_a_folder_that_is_there_is_not_left(here: Path) -> None:
    leave_missing_folder()
    assert Path.cwd() == here
