"""Many trainings side by side: by joblib, so here, or where the user sends them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from joblib import Parallel, delayed, effective_n_jobs
from joblib.externals.loky.process_executor import TerminatedWorkerError

from fmnistlab.errors import WorkerError
from fmnistlab.experiments.sweep.task import Outcome, Task, run_task
from fmnistlab.foundation.logger import get_logger
from fmnistlab.foundation.terminal import describe
from fmnistlab.foundation.wording import setting
from fmnistlab.foundation.worker_processes import retirement_untold

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
        WorkerError: a process was killed a second time, or none can be given its work.
        KeyboardInterrupt, Terminated: it was ended from outside; what is finished is kept, and
            what was begun goes on next time.
    """
    ended: dict[Path, Outcome] = {}
    at_once: int | None = None
    waiting = False
    while left := [task for task in tasks if task.folder not in ended]:
        if waiting:
            time.sleep(_SECONDS)
        try:
            with retirement_untold():
                for outcome in _outcomes(left, n_jobs, at_once):
                    for line in outcome.warnings:
                        _logger.warning("%s", line)
                    if outcome.state != "in use":
                        ended[outcome.folder] = outcome
                        waiting = False
                    elif not waiting:
                        _logger.warning("%s Waiting for it.", outcome.reason)
                        waiting = True
                    if fail_fast and outcome.state == "failed":
                        return _sorted(tasks, ended)
        except TerminatedWorkerError as error:
            if at_once is not None:
                raise WorkerError(
                    "A process that was training was killed for the second time: for lack of "
                    "memory, by a crash in a model, or by hand. What is trained is kept, and "
                    "the same call goes on; give it more memory, or fewer trainings at a "
                    f"time: {setting('n_jobs', at_once)}."
                ) from error
            at_once = max(1, effective_n_jobs(n_jobs) // 2)
            _logger.warning(
                "A process that was training was killed, perhaps for lack of memory; going on "
                "with %d at a time.",
                at_once,
            )
        except Exception as error:
            raise WorkerError(
                f"The trainings cannot be given to other processes: {describe(error)}. What is "
                f"trained is kept; {setting('n_jobs', 1)} makes them in this one."
            ) from error
    return _sorted(tasks, ended)


def _sorted(tasks: Sequence[Task], ended: dict[Path, Outcome]) -> list[Outcome]:
    return [ended[task.folder] for task in tasks if task.folder in ended]


def _outcomes(tasks: Sequence[Task], n_jobs: int | None, at_once: int | None) -> Iterator[Outcome]:
    """Yields outcomes as they come; all at the end where joblib's backend cannot do that.

    Args:
        tasks: the trainings.
        n_jobs: processes.
        at_once: trainings at a time, if fewer. One is made in a process of its own even then: it
            may be killed again, and this process should live to tell it.
    """
    calls = [delayed(run_task)(task) for task in tasks]
    settings: dict[str, Any] = {"n_jobs": n_jobs, "batch_size": 1}
    if at_once is not None:
        settings["pre_dispatch"] = at_once
    try:
        coming: Generator[Outcome] = Parallel(**settings, return_as="generator_unordered")(calls)
    except ValueError:
        yield from Parallel(**settings)(calls)
        return
    try:
        for outcome in coming:  # noqa: UP028 - `yield from` would close it with the warning
            yield outcome
    finally:
        with warnings.catch_warnings():  # joblib tells of work that is given up, as was asked for
            warnings.simplefilter("ignore")
            coming.close()
