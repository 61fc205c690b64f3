"""The trials of a search: a run folder for each, made in rounds, kept in Optuna's journal."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Never, TypeAlias

from tqdm.auto import tqdm

from fmnistlab import seeding
from fmnistlab.errors import ConfigurationError, NoRoomError, RunFolderError
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.records.reading import read_history, read_result
from fmnistlab.experiments.searching.optuna_study import (
    Journal,
    MedianTrial,
    Round,
    ToldState,
    settings_of,
    state_of,
)
from fmnistlab.experiments.searching.space import Space
from fmnistlab.experiments.sweep.plan import Planned
from fmnistlab.experiments.sweep.schedule import train_all
from fmnistlab.experiments.sweep.task import Outcome, Task, forget_data
from fmnistlab.foundation.checks import shown
from fmnistlab.models.registry import registered_factory
from fmnistlab.training.callbacks.progress import IN_NOTEBOOK
from fmnistlab.training.callbacks.pruning import TrialPruning

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TRIALS: Final = "trials"
"""Folder of the run folders of trials, in that of a search."""

_SPARED: Final = 3
"""A trial is not pruned within its first epochs, one in this many of all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchTrial:
    """One trial.

    Attributes:
        number: from 0, in the order in which they were asked for.
        state: how it ended: trained to its end ("done"), stopped because others did better
            ("pruned"), or by an error ("failed").
        settings: what was chosen, by the names in the space.
        seed: of its training.
        val_accuracy: validation accuracy after its last epoch; None if it failed.
        epochs: that were trained; None if it failed.
        seconds: of these epochs; None if it failed.
        reason: why it failed, in words; None if it did not.
        folder: its run folder.
    """

    number: int
    state: ToldState
    settings: dict[str, Any]
    seed: int
    val_accuracy: float | None
    epochs: int | None
    seconds: float | None
    reason: str | None
    folder: Path


class TrialPlan(NamedTuple):
    """What all trials have in common.

    Attributes:
        base: the training without what is searched.
        space: what is searched.
        seed: of the search.
        at_once: trials in a round.
        prune: whether trials that do worse than others end early.
        folder: of the search.
        rows: images to learn from.
    """

    base: Planned
    space: Space
    seed: int
    at_once: int
    prune: bool
    folder: Path
    rows: int

    def config(self, number: int, settings: Mapping[str, Any]) -> ExperimentConfig:
        """Returns what a trial does: it trains and validates, and the test set is left alone.

        Args:
            number: of the trial.
            settings: what was chosen for it.

        Raises:
            ConfigurationError: the settings are impossible together.
        """
        base = self.base.config
        recipe, options = self.space.applied(base.recipe, base.model_options, settings)
        return dataclasses.replace(
            base,
            recipe=recipe,
            model_options=options,
            seed=self.trial_seed(number),
            out=self.trial_folder(number),
            resume=True,
            pictures=False,
        )

    def trial_seed(self, number: int) -> int:
        """Returns the seed of a trial's training."""
        return seeding.derive_seed(self.seed, "search", number)

    def trial_folder(self, number: int) -> Path:
        """Returns the run folder of a trial."""
        return self.folder / TRIALS / f"{number:04d}"


def run_trials(plan: TrialPlan, journal: Journal, count: int) -> list[SearchTrial]:
    """Makes the trials that are missing, and returns all.

    A round is asked for anew after an interruption, and gets the same settings; what had begun
    goes on in its run folder. What is finished is kept, whatever happens.

    Args:
        plan: what they have in common.
        journal: holds those that are over.
        count: how many are wanted.

    Raises:
        RunFolderError: the journal is of another search, or cannot be written.
        WorkerError: a process that trained was killed twice, or a trial failed for want of room
            or memory, by which it must not be judged.
        KeyboardInterrupt, Terminated: it was ended from outside.
    """
    _check_journal(plan, journal)
    made = len(journal.trials)
    bar: tqdm[Never] = tqdm(
        total=count,
        initial=made,
        unit="trial",
        file=sys.stderr,
        disable=False if IN_NOTEBOOK else None,
        dynamic_ncols=True,
        leave=False,
    )
    try:
        while made < count:
            _make_round(plan, journal, made, count)
            bar.update(len(journal.trials) - made)
            made = len(journal.trials)
            done = [trial.value or 0.0 for trial in journal.trials if state_of(trial) == "done"]
            bar.set_postfix_str(f"best {max(done, default=0.0):.4f}")
    finally:
        bar.close()
        forget_data()
    return [_read(plan, trial) for trial in journal.trials]


def _make_round(plan: TrialPlan, journal: Journal, made: int, count: int) -> None:
    """Makes a round of trials, or what is missing of it.

    Raises:
        RunFolderError, WorkerError: as of `run_trials`.
    """
    first = made - made % plan.at_once
    earlier = journal.trials[:first]
    asked = Round(plan.space, plan.seed, earlier, min(plan.at_once, count - first))
    for place in range(made - first):
        _check_same(plan, first + place, asked.settings[place], journal.trials)
    numbers = range(made, first + len(asked.settings))
    results = _trained(plan, earlier, {n: asked.settings[n - first] for n in numbers})
    for number in numbers:
        journal.add(asked.told(number - first, *results[number]))


_Told: TypeAlias = tuple[ToldState, dict[int, float], dict[str, Any]]


def _trained(
    plan: TrialPlan, earlier: Sequence[FrozenTrial], settings: Mapping[int, Mapping[str, Any]]
) -> dict[int, _Told]:
    """Trains what is missing of a round; returns what is to be told of each trial, by number."""
    told: dict[int, _Told] = {}
    tasks: dict[int, Task] = {}
    for number, chosen in settings.items():
        try:
            tasks[number] = _task(plan, plan.config(number, chosen), earlier)
        except ConfigurationError as error:
            told[number] = "failed", {}, {"reason": str(error)}
    outcomes = train_all([*tasks.values()], n_jobs=plan.at_once, fail_fast=False)
    for number, outcome in zip(tasks, outcomes, strict=True):
        told[number] = _outcome(number, outcome)
    return told


def _task(plan: TrialPlan, config: ExperimentConfig, earlier: Sequence[FrozenTrial]) -> Task:
    training, recipe = plan.base.training, config.recipe
    spared = max(1, recipe.epochs // _SPARED)
    pruning = (TrialPruning(MedianTrial(earlier, spared)),) if plan.prune else ()
    return Task(
        config,
        (training.fit, training.valid, training.test),
        recipe.epochs * math.ceil(plan.rows / recipe.batch_size),
        registered_factory(config.model),
        callbacks=pruning,
        tested=False,
    )


def _outcome(number: int, outcome: Outcome) -> _Told:
    """Returns what is to be told of a trial.

    Raises:
        NoRoomError: it failed for want of room or memory.
    """
    if outcome.state == "failed":
        if outcome.accidental:
            raise NoRoomError(
                f"Trial {number} failed by no fault of its settings: {outcome.reason} What is "
                "finished is kept; the same call goes on."
            )
        return "failed", {}, {"reason": outcome.reason}
    history, result = read_history(outcome.folder), read_result(outcome.folder)
    values = {record.epoch: float(record.val_accuracy or 0.0) for record in history}
    seconds = sum(record.seconds for record in history)
    state: ToldState = "done" if result.stop_reason is None else "pruned"
    return state, values, {"seconds": seconds}


def _read(plan: TrialPlan, trial: FrozenTrial) -> SearchTrial:
    values = trial.intermediate_values
    state = state_of(trial)
    failed = state == "failed"
    return SearchTrial(
        number=trial.number,
        state=state,
        settings=settings_of(trial, plan.space) or {},
        seed=plan.trial_seed(trial.number),
        val_accuracy=None if failed else trial.value,
        epochs=None if failed else len(values),
        seconds=None if failed else trial.user_attrs.get("seconds"),
        reason=trial.user_attrs.get("reason"),
        folder=plan.trial_folder(trial.number),
    )


def _check_journal(plan: TrialPlan, journal: Journal) -> None:
    """Refuses a journal with trials that are not over, or that chose from another space.

    Raises:
        RunFolderError: the message names the trial.
    """
    for trial in journal.trials:
        if settings_of(trial, plan.space) is None or not trial.state.is_finished():
            raise RunFolderError(
                f"{plan.folder}: trial {trial.number} in the journal is not of this search. Put "
                "the journal back as it was, or search in another folder."
            )


def _check_same(
    plan: TrialPlan, number: int, asked: Mapping[str, Any], trials: Sequence[FrozenTrial]
) -> None:
    """Refuses a trial in the journal that is not the one that is asked for.

    Raises:
        RunFolderError: the message names what differs.
    """
    found = settings_of(trials[number], plan.space) or {}
    for name, value in asked.items():
        if found.get(name) != value:
            raise RunFolderError(
                f"{plan.folder}: trial {number} in the journal has {name} = "
                f"{shown(found.get(name))}, but the search asks for {shown(value)}. Search in "
                "another folder."
            )
