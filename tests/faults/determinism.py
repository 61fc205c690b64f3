"""The same seed gives the same bits in other processes, folders, locales and hash seeds."""

from __future__ import annotations

import functools
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.score import Drill, Score
from tests.faults.side_by_side import run_all

CODE = """
import os
os.environ["OMP_NUM_THREADS"] = "1"
from tests.faults import trial
print(*trial.uninterrupted())
"""


def run(trials: int, seed: int) -> Score:
    """Trains in fresh processes that differ in all that must not matter."""
    score = Score()
    root = Path(__file__).parent.parent.parent

    def train(number: int) -> tuple[int, str, dict[str, str]]:
        chooser = random.Random(f"{seed} {number}")
        surroundings = {
            "PYTHONHASHSEED": str(chooser.randrange(2**32)),
            "LC_ALL": chooser.choice(["C", "C.UTF-8", "POSIX"]),
            "TZ": chooser.choice(["UTC", "Asia/Tokyo", "America/New_York"]),
            "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
            "CUDA_VISIBLE_DEVICES": "",
        }
        with tempfile.TemporaryDirectory() as folder:
            finished = subprocess.run(
                [sys.executable, "-c", CODE],
                cwd=folder,
                env={**os.environ, **surroundings},
                capture_output=True,
                text=True,
                check=False,
            )
        return finished.returncode, finished.stdout or finished.stderr[-500:], surroundings

    endings = run_all([functools.partial(train, number) for number in range(trials)])
    first = endings[0].result and endings[0].result[1]
    for number, ending in enumerate(endings):
        code, said, surroundings = ending.result or (ending.code, ending.error, {})
        good = code == 0 and said == first
        score.count(good=good, trial=f"process {number}, {surroundings}: {said!r}, first {first!r}")
    return score


DRILL = Drill("same seed, other process, folder, locale, hash seed: same bits", run, 2, 5)
