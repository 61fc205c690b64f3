"""Many trainings side by side: by joblib, so here, or where the user sends them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Final

from joblib import Parallel, delayed, effective_n_jobs

from fmnistlab.experiments.sweep.task import Outcome, Task, forget_data, run_task
from fmnistlab.foundation.logger import get_logger

_logger = get_logger(__name__)

_SECONDS: Final = 1.0
"""Between two tries to train what another process is training."""


def train_all(tasks: Sequence[Task], *, n_jobs: int | None, fail_fast: bool) -> list[Outcome]:
    """Makes trainings until each is done or has failed.

    A training that another process is making is waited for. If a process is killed from outside,
    as by a system that is short of memory, what is missing is started again once, half as many at
    a time.

    Args:
        tasks: the trainings, in the order in which they should begin.
        n_jobs: how many at a time; see `fit_seeds`.
        fail_fast: whether the first failure ends all others.

    Returns:
        The outcomes of those that have ended, in the order of the tasks.

    Raises:
        BrokenProcessPool: a process was killed a second time.
        KeyboardInterrupt, Terminated: it was ended from outside; what is finished is kept, and
            what was begun goes on next time.
    """
    ended: dict[Path | None, Outcome] = {}
    killed = False
    waiting = False
    try:
        while left := [task for task in tasks if task.config.out not in ended]:
            if waiting:
                time.sleep(_SECONDS)
            try:
                for outcome in _outcomes(left, n_jobs):
                    if outcome.state != "in use":
                        ended[outcome.folder] = outcome
                        waiting = False
                    elif not waiting:
                        _logger.warning("%s Waiting for it.", outcome.reason)
                        waiting = True
                    if fail_fast and outcome.state == "failed":
                        return _sorted(tasks, ended)
            except BrokenProcessPool:
                if killed:
                    raise
                killed, n_jobs = True, max(1, effective_n_jobs(n_jobs) // 2)
                _logger.warning(
                    "a process that was training was killed, perhaps for lack of memory; going on "
                    "with %d at a time",
                    n_jobs,
                )
    finally:
        forget_data()
    return _sorted(tasks, ended)


def _sorted(tasks: Sequence[Task], ended: dict[Path | None, Outcome]) -> list[Outcome]:
    return [ended[task.config.out] for task in tasks if task.config.out in ended]


def _outcomes(tasks: Sequence[Task], n_jobs: int | None) -> Iterator[Outcome]:
    """Yields outcomes as they come; all at the end where joblib's backend cannot do that."""
    calls = [delayed(run_task)(task) for task in tasks]
    settings: dict[str, Any] = {"n_jobs": n_jobs, "batch_size": 1}
    outcomes: Iterable[Outcome]
    try:
        outcomes = Parallel(**settings, return_as="generator_unordered")(calls)
    except ValueError:
        outcomes = Parallel(**settings)(calls)
    yield from outcomes
