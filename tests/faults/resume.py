"""Resumed at any step, a training gives the bits of one that never stopped."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tests.faults import trial
from tests.faults.score import Drill, Score
from tests.faults.side_by_side import tried
from torch.utils.data import DataLoader, TensorDataset

from fmnistlab.callbacks import Checkpointing
from fmnistlab.recipes import ParameterRule, named_recipe
from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.registry import BUILT_IN


class Setting(NamedTuple):
    """One way to train.

    Attributes:
        dropout: whether the model has it.
        augmentation: whether images are changed at random; by the recipe, or by the loader's items.
        workers: processes of a DataLoader; None hands over the data set itself.
        optimizer: "sgd" or "adamw".
        schedule: "constant" or "one_cycle".
        execution: "recorded" or "eager".
        more: what else the recipe says, by a name in `MORE`.
    """

    dropout: bool
    augmentation: bool
    workers: int | None
    optimizer: str
    schedule: str
    execution: Execution
    more: str = "nothing else"


MORE: dict[str, dict[str, Any]] = {
    "nothing else": {},
    "averaged and clipped": {"ema_decay": 0.9, "clip_norm": 0.5, "clip_value": 0.1},
    "warmed up": {"schedule": "linear", "warmup_epochs": 0.7},
    "in steps": {"schedule": "step", "milestones": (1, 2), "gamma": 0.5},
    "on a plateau": {"schedule": "plateau", "patience": 0, "gamma": 0.5},
    "in parts": {"accumulation_steps": 3, "precision": "bfloat16"},
    "balanced": {"class_weights": "balanced", "sampling": "balanced"},
    "with rules": {
        "parameter_rules": (
            ParameterRule(dimensions=1, weight_decay=0.0),
            ParameterRule(match="1.*", frozen_epochs=1),
            ParameterRule(match="5.*", learning_rate_factor=3.0),
        )
    },
}
"""What a recipe may say besides, a few settings at a time."""

_SHORT = {"epochs": trial.RECIPE.epochs, "batch_size": trial.RECIPE.batch_size}
MORE |= {name: {**vars(named_recipe(name)), **_SHORT} for name in BUILT_IN[1:]}

COVERING = [
    Setting(True, True, None, "adamw", "one_cycle", "recorded"),
    Setting(True, True, 0, "sgd", "one_cycle", "eager"),
    Setting(True, False, 2, "adamw", "constant", "recorded"),
    Setting(False, True, 2, "sgd", "constant", "eager"),
    Setting(True, False, None, "sgd", "constant", "recorded"),
    Setting(False, False, 0, "adamw", "one_cycle", "recorded"),
]
"""Settings that have each part in several neighbourhoods; the short tier makes do with them, and
with each of `MORE`."""

EXECUTIONS: tuple[Execution, ...] = ("recorded", "eager")

_AS_WRITTEN = ("in parts", "with rules")
"""What no recorded step does."""

REFINED = [
    Setting(True, number % 2 == 0, None, "adamw", "constant", execution, more)
    for number, more in enumerate(list(MORE)[1:])
    for execution in EXECUTIONS
    if execution == "eager" or more not in _AS_WRITTEN
]

ALL = itertools.product(
    [True, False], [True, False], [None, 0, 2], ["adamw", "sgd"], ["constant", "one_cycle"]
)
EVERY = [Setting(*each, execution) for each in ALL for execution in EXECUTIONS]
SETTINGS = [*COVERING, *REFINED, *(choice for choice in EVERY if choice not in COVERING)]


class NoisyItems(TensorDataset):
    """Items that draw random numbers from torch's global generator on their way out."""

    def __getitem__(self, index: int) -> Any:
        image, label = super().__getitem__(index)
        return image + torch.rand(()) * 0.1, label


def _fit_data(setting: Setting) -> Any:
    if setting.workers is None:
        return trial.data()[0]
    images, labels = trial.data()[0].resident()
    kind = NoisyItems if setting.augmentation else TensorDataset
    return DataLoader(
        kind(images / 255, labels), batch_size=8, shuffle=True, num_workers=setting.workers
    )


def _trainer(setting: Setting, *callbacks: Any) -> Any:
    recipe = trial.RECIPE.replace(
        optimizer=setting.optimizer,
        schedule=setting.schedule,
        momentum=0.9 if setting.optimizer == "sgd" else 0.0,
        weight_decay=0.01 if setting.optimizer == "adamw" else 0.0,
    ).replace(**MORE[setting.more])
    if setting.augmentation and setting.workers is None:
        recipe = trial.augmented(recipe)
    dropout = 0.5 if setting.dropout else 0.0
    return trial.trainer(recipe, *callbacks, dropout=dropout, execution=setting.execution)


def _check(setting: Setting, steps: list[int], score: Score) -> None:
    with tempfile.TemporaryDirectory() as folder:
        keeper = Checkpointing(folder, every_steps=1, keep=trial.STEPS)
        whole = _trainer(setting, keeper)
        whole.fit(_fit_data(setting), trial.data()[1])
        alone = _trainer(setting)
        alone.fit(_fit_data(setting), trial.data()[1])
        wanted = trial.facts(alone)
        score.count(good=trial.facts(whole) == wanted, trial=f"{setting}: saving changed a bit")
        for step in steps:
            resumed = _trainer(setting)
            path = Path(folder, f"step-{step:08}.safetensors")
            resumed.fit(_fit_data(setting), trial.data()[1], resume_from=path)
            same = [a == b for a, b in zip(trial.facts(resumed), wanted, strict=True)]
            what = f"{setting}, resumed after step {step}: weights, optimizer, history {same}"
            score.count(good=all(same), trial=what)


def run(trials: int, seed: int) -> Score:
    """Resumes at every step of as many settings as fit into `trials`."""
    settings = SETTINGS[: max(1, trials // (trial.STEPS + 1))]
    steps = list(range(1, trial.STEPS + 1))
    score = tried(lambda number, score: _check(settings[number], steps, score), len(settings))
    score.notes.append(f"{len(settings)} of {len(SETTINGS)} settings")
    return score


DRILL = Drill(
    "resumed at every step, weights, optimizer and history have the same bits",
    run,
    short=(len(COVERING) + len(REFINED)) * (trial.STEPS + 1),
    long=len(SETTINGS) * (trial.STEPS + 1),
)
