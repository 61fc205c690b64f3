"""Killed anywhere, as often as it takes, a training that is started again gives the same bits."""

from __future__ import annotations

import os
import random
import signal
import statistics
import tempfile
import time
from pathlib import Path

from tests.faults import trial
from tests.faults.children import Child, Ending, run_child
from tests.faults.score import Drill, Score
from tests.faults.side_by_side import AT_ONCE, run_all, tried

from fmnistlab.training.callbacks import checkpointing
from fmnistlab.training.checkpoints import file as checkpoint

KILLS = 3
"""Kills in one trial, at most; then the training may come to its end."""


def _train_and_tell(folder: Path, every_steps: int, saving: int | None) -> tuple[str, str, str]:
    """Trains in a child; writes a byte into the pipe `saving` whenever a save begins."""
    if saving is not None:
        write = checkpoint.write_checkpoint

        def told(path: str | os.PathLike[str], data: bytes) -> None:
            os.write(saving, b"s")
            write(path, data)

        checkpointing.write_checkpoint = told  # type: ignore[attr-defined] # which it imported
    return trial.facts(trial.train(folder, every_steps=every_steps))


def _kill_once(folder: Path, every_steps: int, chooser: random.Random, life: float) -> Ending:
    """Starts the training and kills it, by chance or in a save."""
    aimed = chooser.random() < 0.5
    reader, writer = os.pipe()
    child = Child(lambda: _train_and_tell(folder, every_steps, writer if aimed else None))
    os.close(writer)
    if aimed:
        for _ in range(chooser.randint(1, 4)):
            if not os.read(reader, 1):
                break
        time.sleep(chooser.random() * 0.004)
    else:
        time.sleep(chooser.random() * life)
    child.signal(signal.SIGKILL)
    ending = child.wait()
    os.close(reader)
    return ending


def run(trials: int, seed: int) -> Score:
    """Makes trainings, each killed up to three times and started again."""
    wanted = trial.uninterrupted()
    lives = run_all([trial.uninterrupted.__wrapped__] * AT_ONCE)  # as slow as in the trials
    life = statistics.median(ending.seconds for ending in lives) * 1.5

    def one(number: int, score: Score) -> None:
        chooser = random.Random(f"{seed} {number}")
        every = chooser.choice([1, 1, 2, 5])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "checkpoints")
            for _ in range(chooser.randint(1, KILLS)):
                ending = _kill_once(folder, every, chooser, life)
                if ending.code == -signal.SIGKILL:
                    score.figures["kills"] += 1
                    score.figures["late"] += any(folder.glob("step-*"))
            last = run_child(lambda: _train_and_tell(folder, every, None))
            what = f"trial {number} of seed {seed}: {last.error or last.result}"
            score.count(good=last.result == wanted, trial=what)

    score = tried(one, trials)
    kills, late = score.figures["kills"], score.figures["late"]
    score.notes.append(f"{kills} kills, {late} of them after a first checkpoint")
    return score


DRILL = Drill("killed by SIGKILL and started again: same bits", run, short=60, long=1000)
