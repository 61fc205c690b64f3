"""Pruning: a trial hears of each epoch once, and ends a fit only before its last epoch."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from tests.tiny import tiny_linear, tiny_set

from fmnistlab.callbacks import Checkpointing, TrialPruning
from fmnistlab.errors import UnknownMetricError
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer


class Hears:
    """A trial that wants to be pruned after some epoch."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.heard: list[tuple[int, float]] = []

    def report(self, value: float, step: int) -> None:
        self.heard.append((step, value))

    def should_prune(self) -> bool:
        return self.heard[-1][0] >= self.last


def fitted(trial: Hears, *callbacks: Checkpointing, resume: Path | None = None) -> Trainer:
    trainer = Trainer(tiny_linear(), Recipe(epochs=4), callbacks=[TrialPruning(trial), *callbacks])
    trainer.fit(tiny_set(), tiny_set(20, 1), resume_from=resume)
    return trainer


def test_a_fit_ends_after_the_epoch_in_which_the_trial_says_so() -> None:
    trial = Hears(2)
    trainer = fitted(trial)
    assert [step for step, _ in trial.heard] == [1, 2]
    assert [value for _, value in trial.heard] == [r.val_accuracy for r in trainer.history]
    assert trainer.stop_reason == (
        f"pruned: val_accuracy is {trial.heard[-1][1]:.4f} after epoch 2"
    )


def test_the_last_epoch_is_told_and_stops_nothing() -> None:
    trial = Hears(4)
    trainer = fitted(trial)
    assert [step for step, _ in trial.heard] == [1, 2, 3, 4]
    assert trainer.stop_reason is None


def test_a_fit_that_goes_on_tells_a_new_trial_of_the_epochs_before(tmp_path: Path) -> None:
    fitted(Hears(2), Checkpointing(tmp_path))
    for checkpoint in sorted(tmp_path.glob("*"))[1:]:
        checkpoint.unlink()
    trial = Hears(9)
    trainer = fitted(trial, resume=tmp_path)
    assert [step for step, _ in trial.heard] == [1, 2, 3, 4][: len(trainer.history)]


def test_without_a_validation_set_nothing_begins() -> None:
    trainer = Trainer(tiny_linear(), Recipe(epochs=1), callbacks=[TrialPruning(Hears(1))])
    with pytest.raises(UnknownMetricError, match="Give fit a validation set"):
        trainer.fit(tiny_set())
    assert not trainer.history


def test_a_trial_of_optuna_is_one() -> None:
    study = optuna.create_study(
        direction="minimize", pruner=optuna.pruners.ThresholdPruner(upper=0.0)
    )
    trial = study.ask()
    trainer = Trainer(tiny_linear(), Recipe(epochs=3), callbacks=[TrialPruning(trial, "val_loss")])
    trainer.fit(tiny_set(), tiny_set(20, 1))
    told = study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert told.intermediate_values == {1: trainer.history[0].val_loss}
    assert str(trainer.stop_reason).startswith("pruned: val_loss is ")
