"""Processes that are used again, in a folder that is gone by then, and that retire."""

from __future__ import annotations

import importlib.metadata
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor, process_executor
from tests.experiments.comparisons import small

from fmnistlab.foundation.worker_processes import leave_missing_folder, retirement_untold
from fmnistlab.recipes import Recipe
from fmnistlab.testing import tiny_dataset
from fmnistlab.training.seeds import fit_seeds


@pytest.fixture(autouse=True)
def new_processes() -> None:
    """What those of another test have imported would hide what is looked for."""
    get_reusable_executor().shutdown(wait=True)


def meet(doomed: Path, met: Path) -> None:
    """Moves a process into a folder, and waits until two processes have done so."""
    os.chdir(doomed)
    (met / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len([*met.iterdir()]) < 2:
        assert time.monotonic() < end


def age(met: Path) -> None:
    """Lets a process retire after its next work, as one does that has grown."""
    process_executor._MEMORY_LEAK_CHECK_DELAY = 0.0
    process_executor._MAX_MEMORY_LEAK_SIZE = -(2**60)
    meet(met, met)


def compare(folder: Path) -> None:
    assert {run.state for run in small(folder / "out", "linearnet", seeds=4, n_jobs=2).runs} == {
        "done"
    }


def fit(folder: Path) -> None:
    trainers = fit_seeds(
        "linearnet", tiny_dataset(40), seeds=range(4), recipe=Recipe(epochs=1), n_jobs=2
    )
    assert [trainer.history[-1].epoch for trainer in trainers] == [1, 1, 1, 1]


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


@pytest.mark.timeout(120)  # whoever waits for a thread that died waits forever
@pytest.mark.parametrize("work", [compare, fit])
def test_work_is_done_by_processes_that_retire_where_warnings_are_errors(
    here: Path, work: Callable[[Path], None]
) -> None:
    pytest.importorskip("psutil")  # without it no process knows that it has grown
    met = here / "met"
    met.mkdir()
    Parallel(n_jobs=2)(delayed(age)(met) for _ in range(2))
    before = {int(path.name) for path in met.iterdir()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        work(here)
    assert before.isdisjoint(Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(8)))


def test_other_warnings_are_told() -> None:
    with pytest.warns(UserWarning, match="A worker is tired"), retirement_untold():
        warnings.warn("A worker is tired", UserWarning, stacklevel=1)


def test_a_folder_that_is_there_is_not_left(here: Path) -> None:
    leave_missing_folder()
    assert Path.cwd() == here


def test_joblib_ends_processes_without_a_program_that_a_signal_would_end_too() -> None:
    from joblib.externals.loky.backend import utils

    assert utils.psutil is not None
    assert any("psutil" in one for one in importlib.metadata.requires("fmnistlab") or ())
