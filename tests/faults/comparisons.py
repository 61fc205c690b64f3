"""A comparison that is killed anywhere and called again ends as if nothing had been."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from joblib.externals.loky import reusable_executor
from tests.experiments.comparisons import facts, plain, small
from tests.faults.children import Child, Ending
from tests.faults.score import Drill, Score
from tests.faults.side_by_side import tried

from fmnistlab.errors import RunFolderError
from fmnistlab.experiments.run_folder_state import FILES, FolderState, folder_state
from fmnistlab.training.recipes.recipe import Recipe

KILLS = 4
"""Kills in one trial, at most; then the comparison may come to its end."""

RUNS = 6
"""Trainings of a comparison."""

AIMED = 0.75
"""Part of the kills that come after the first training has begun."""


def _compare(folder: Path, jobs: int) -> None:
    """Compares in a child, whose processes are a group of their own."""
    os.setpgid(0, 0)
    reusable_executor._executor = None  # a fork inherits the executor, but none of its threads
    models = plain("killed-one"), plain("killed-other")
    small(folder, *models, seeds=3, n_jobs=jobs, recipe=Recipe(epochs=4, batch_size=16))


def _begin(folder: Path, jobs: int) -> Child:
    return Child(functools.partial(_compare, folder, jobs))


def _end(child: Child, *, kill: bool) -> Ending:
    """Kills a child with all its processes, or those that it leaves behind, and all they keep."""
    ending = None if kill else child.wait()
    for send in (os.killpg, os.kill) if kill else (os.killpg,):
        with contextlib.suppress(ProcessLookupError):  # no group yet, or no more
            send(child.pid, signal.SIGKILL)
    for path in Path("/dev/shm").glob(f"*[-_]{child.pid}[-_]*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return child.wait() if ending is None else ending


def _wait_for(folder: Path, results: int, child: Child) -> None:
    """Waits until so many trainings are finished, the first one has begun, or all is over."""
    while not select.select([child], [], [], 0.002)[0] and child.time_left():
        begun = len([*folder.glob("runs/*/config.json")])
        if begun and len([*folder.glob("runs/*/result.json")]) >= results:
            return


def _finished(folder: Path) -> dict[Path, Any]:
    """Returns what is to stay as it is of the files of finished runs."""
    found = {}
    for run in folder.glob("runs/*"):
        with contextlib.suppress(RunFolderError):
            if folder_state(run) is FolderState.FINISHED:
                for name in FILES:
                    with contextlib.suppress(FileNotFoundError):  # a failure, which there is none
                        status = (run / name).stat()
                        found[run / name] = status.st_ino, status.st_mtime_ns, status.st_size
    return found


def _undisturbed(jobs: int) -> tuple[dict[str, Any], float]:
    """Returns what a comparison leaves, and how many seconds it takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "out")
        ending = _end(_begin(folder, jobs), kill=False)
        if ending.error:
            raise RuntimeError(ending.error)
        return facts(folder), ending.seconds


def run(trials: int, seed: int) -> Score:
    """Makes comparisons, each killed up to four times and called again."""
    undisturbed = {jobs: _undisturbed(jobs) for jobs in (1, 2)}

    def one(number: int, score: Score) -> None:
        chooser = random.Random(f"{seed} {number}")
        jobs = 1 + number % 2
        wanted, seconds = undisturbed[jobs]
        kept: dict[Path, Any] = {}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "out")
            for _ in range(chooser.randint(1, KILLS)):
                child = _begin(folder, jobs)
                if chooser.random() < AIMED:
                    _wait_for(folder, chooser.randrange(RUNS), child)
                    time.sleep(chooser.random() * 0.3)
                else:
                    time.sleep(chooser.random() * seconds)
                if _end(child, kill=True).code == -signal.SIGKILL:
                    score.figures["kills"] += 1
                    kept = {**_finished(folder), **kept}
                    score.figures["late"] += bool(kept)
            last = _end(_begin(folder, jobs), kill=False)
            found, ended = facts(folder), _finished(folder)
            twice = [str(path) for path, then in kept.items() if ended.get(path) != then]
            differing = [name for name in {*found, *wanted} if found.get(name) != wanted.get(name)]
            good = not (last.error or twice or differing)
            what = (
                f"trial {number} of seed {seed}, {jobs} at a time: {last.error}; written again: "
                f"{twice}; not as without kills: {differing}"
            )
            score.count(good=good, trial=what)

    score = tried(one, trials)
    alike = undisturbed[1][0] == undisturbed[2][0]
    score.count(good=alike, trial="one and two at a time do not give the same bits")
    kills, late = score.figures["kills"], score.figures["late"]
    score.notes.append(f"{kills} kills, {late} of them after a first run was finished")
    return score


DRILL = Drill(
    "comparisons killed and called again: same bits, no finished run trained twice", run, 4, 50
)
