"""Small searches, and what tests read off their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.experiments.comparisons import data_beside, facts

from fmnistlab.experiments.searching.result import Search
from fmnistlab.experiments.searching.search import search
from fmnistlab.training.recipes.recipe import Recipe

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1.0, "log": True},
    "batch_size": {"choices": [16, 32]},
}


def small(folder: Path, model: str = "linearnet", **settings: Any) -> Search:
    """Searches on the tiny data beside the folder, which is made if it is missing."""
    chosen: dict[str, Any] = {
        "trials": 8,
        "space": SPACE,
        "recipe": Recipe(epochs=4),
        "data": data_beside(folder),
        "fresh_seeds": 2,
        "pictures": False,
    }
    return search(model, out=folder, **{**chosen, **settings})


def told(found: Search) -> list[tuple[Any, ...]]:
    """Returns all of each trial but its times."""
    return [
        (
            trial.number,
            tuple(trial.settings.items()),
            trial.seed,
            trial.state,
            trial.val_accuracy,
            trial.epochs,
            trial.reason,
        )
        for trial in found.trials
    ]


def bits(folder: Path) -> dict[str, Any]:
    """Returns all that lies in the folder of a search but pictures, times and Optuna's journal."""
    left_out = ("search.json", "search.md", "journal.log")
    return {name: part for name, part in facts(folder).items() if name not in left_out}
