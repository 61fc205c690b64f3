"""A disk that is full, a quota, a folder that vanished: named, and nothing earlier is touched."""

from __future__ import annotations

import contextlib
import errno
import random
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults import trial
from tests.faults.children import run_child
from tests.faults.score import Drill, Score
from tests.faults.side_by_side import tried

from fmnistlab.callbacks import Callback, Run
from fmnistlab.errors import CheckpointWriteError
from fmnistlab.training.checkpoints.folder import list_checkpoints, newest_checkpoint


@contextlib.contextmanager
def quota(size: int) -> Iterator[None]:
    """Lets no file of this process grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    """Returns the names of everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


class _After(Callback):
    """Does something after a step."""

    uses_model = False

    def __init__(self, step: int, action: Any) -> None:
        self._step, self._action = step, action

    def on_batch_end(self, run: Run, result: Any) -> None:
        if run.step == self._step:
            self._action()


def _full_at(folder: Path, size: int) -> dict[str, Any]:
    """Trains in a child, where from step 9 on files can only grow to `size`."""
    stack = contextlib.ExitStack()

    def fill() -> None:
        while not list_checkpoints(folder):  # the first one is written by a thread
            time.sleep(0.001)
        stack.enter_context(quota(size))

    found: dict[str, Any] = {"error": None}
    try:
        trial.train(folder, _After(9, fill), every_steps=8)
    except CheckpointWriteError as error:
        found |= {"error": str(error), "errno": error.errno}
    stack.close()
    return found


def _gone(folder: Path) -> dict[str, Any]:
    """Trains in a child; the folder is replaced by a file in the middle."""

    def replace() -> None:
        while not list_checkpoints(folder):  # what is being written would come in between
            time.sleep(0.001)
        shutil.rmtree(folder)
        folder.write_text("no folder")

    try:
        trial.train(folder, _After(9, replace), every_steps=8)
    except CheckpointWriteError as error:
        return {"error": str(error), "errno": error.errno}
    return {"error": None}


def run(trials: int, seed: int) -> Score:
    """Fills the disk at random offsets of a checkpoint, then takes the folder away."""
    with tempfile.TemporaryDirectory() as name:
        trial.train(Path(name), every_steps=8)
        size = list_checkpoints(name)[0].stat().st_size

    def one(number: int, score: Score) -> None:
        offset = random.Random(f"{seed} {number}").randrange(size)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "checkpoints")
            found = run_child(lambda: _full_at(folder, offset)).result or {}
            kept = newest_checkpoint(folder)
            said = str(found.get("error"))
            left = names(folder)
            good = (
                found.get("errno") in (errno.ENOSPC, errno.EFBIG)
                and "needs" in said
                and "are free" in said
                and kept is not None
                and left[0] == "step-00000008.safetensors"
                and left == sorted(path.name for path in list_checkpoints(folder))
                and kept.name == left[-1]
            )
            what = f"offset {offset} of {size}: {found}, left {left}"
            score.count(good=good, trial=what)

    score = tried(one, trials)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "checkpoints")
        found = run_child(lambda: _gone(folder)).result or {}
        score.count(good=bool(found.get("error")), trial=f"a folder that vanished: {found}")
    return score


DRILL = Drill("full disk and quota: named with needed and free bytes, earlier kept", run, 50, 200)
