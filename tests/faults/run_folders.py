"""Two trainings that were told to write the same run folder: one of them is refused."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from tests.faults.children import Child
from tests.faults.score import Drill, Score
from tests.faults.side_by_side import tried

from fmnistlab import testing
from fmnistlab.errors import RunFolderError
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.experiment import run_experiment
from fmnistlab.experiments.run_folder_state import RESULT
from fmnistlab.training.recipes.recipe import Recipe


def _train(folder: Path, seed: int) -> str:
    config = ExperimentConfig(
        model="linearnet",
        data=folder / "tiny.csv",
        recipe=Recipe(epochs=2, batch_size=8),
        seed=seed,
        out=folder / "run",
    )
    try:
        run_experiment(config)
    except RunFolderError as error:
        return str(error)
    return "trained"


def run(trials: int, seed: int) -> Score:
    """Starts two trainings at once, as often as asked for."""

    def one(number: int, score: Score) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            testing.write_tiny_csv(folder / "tiny.csv", rows=60)
            children = [Child(functools.partial(_train, folder, seed + s)) for s in range(2)]
            said = sorted(str(child.wait().result) for child in children)
            refused = "another training is writing" in said[0] or "is not empty" in said[0]
            good = refused and said[1] == "trained" and (folder / "run" / RESULT).exists()
            score.count(good=good, trial=f"trial {number}: {said}")

    return tried(one, trials)


DRILL = Drill("two trainings, one run folder: the second is refused", run, 3, 20)
