"""Ctrl-C, SIGTERM and SIGHUP at any moment: the right exit, a whole checkpoint, same bits after."""

from __future__ import annotations

import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.faults import trial
from tests.faults.children import TOLD_NOTHING, Child
from tests.faults.score import Drill, Score
from tests.faults.side_by_side import tried

from fmnistlab.callbacks import Callback, Run
from fmnistlab.training.checkpoints.folder import newest_checkpoint

NEVER = 10_000
"""Steps between two checkpoints that no training here reaches: only a signal makes one."""

LATE = 0.25
"""Part of the trials in which the signal comes after the last step."""


class _Slow(Callback):
    """Leaves time for a signal to arrive; tells whether the callback was closed."""

    uses_model = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_fit_start(self, run: Run) -> None:
        (self._folder / "begun").touch()

    def on_batch_end(self, run: Run, result: Any) -> None:
        time.sleep(0.0005)

    def on_fit_end(self, run: Run) -> None:
        (self._folder / "ended").touch()
        time.sleep(0.002)

    def close(self) -> None:
        (self._folder / "closed").touch()


def _train(folder: Path) -> Any:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note() -> None:
        if before == {number: signal.getsignal(number) for number in before}:
            (folder / "handlers").touch()

    try:
        made = trial.train(folder / "checkpoints", _Slow(folder), every_steps=NEVER)
    finally:
        try:
            note()
        except KeyboardInterrupt:  # the signal came after the fit, to this very line
            note()
            raise
    return trial.facts(made)


def _begin(folder: Path) -> Child:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    child = Child(lambda: _train(folder))
    while not (folder / "begun").exists():
        time.sleep(0.0002)
    return child


def run(trials: int, seed: int) -> Score:
    """Sends one, two or five signals at random moments and starts again."""
    wanted = trial.uninterrupted()

    def one(number: int, score: Score) -> None:
        chooser = random.Random(f"{seed} {number}")
        kind = chooser.choice([signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        times = chooser.choice([1, 1, 1, 2, 5])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            child = _begin(folder)
            if chooser.random() < LATE:
                while not (folder / "ended").exists() and child.time_left():
                    time.sleep(0.0002)
                time.sleep(chooser.random() * 0.004)
            else:
                time.sleep(chooser.random() * 0.02)
            for _ in range(times):
                child.signal(kind)
            ending = child.wait()
            code = 128 + kind
            checkpoints = folder / "checkpoints"
            saved = checkpoints.exists() and newest_checkpoint(checkpoints) is not None
            ended = (folder / "ended").exists()
            score.figures["late"] += ended
            saved = saved or ended
            if ending.code == 0:  # it was over before the signal came
                good = ending.result == wanted
            elif times == 1:
                in_the_fit = ending.code == code and (folder / "handlers").exists()
                # The fit was over and its handlers gone: the signal does what it always did, also
                # while the child tells what came of it.
                after_it = ending.code in (-kind, TOLD_NOTHING) and ended
                good = (in_the_fit or after_it) and saved and (folder / "closed").exists()
            else:  # the second one ends it at once, also while the child tells what came of it
                good = ending.code in (code, -kind, TOLD_NOTHING)
            again = _begin(folder).wait()
            good = good and again.result == wanted
            what = f"trial {number} of seed {seed}: {times} x {kind.name}: {ending}, then {again}"
            score.count(good=good, trial=what)

    score = tried(one, trials)
    score.notes.append(f"{score.figures['late']} of {trials} came after the last step")
    return score


DRILL = Drill("signals: exit code, checkpoint, handlers, callbacks, same bits after", run, 40, 500)
