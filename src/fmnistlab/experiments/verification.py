"""Whether a run folder holds together, and whether its training gives the same bits once more."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fmnistlab.data.augmentation.description import unoffered
from fmnistlab.errors import ConfigurationError, FmnistlabError, RunFolderError
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.experiment import run_experiment, train_only
from fmnistlab.experiments.parts import load_parts
from fmnistlab.experiments.records.config import RunConfig
from fmnistlab.experiments.records.consistency import inconsistencies
from fmnistlab.experiments.records.differences import differing, differing_epochs
from fmnistlab.experiments.records.environment import environment_changes
from fmnistlab.experiments.records.finished_run import FinishedRun, read_finished_run
from fmnistlab.experiments.records.repetition import TIMES, compare_runs
from fmnistlab.experiments.run_folder import RunFolder
from fmnistlab.experiments.run_folder_state import CONFIG
from fmnistlab.foundation.wording import setting
from fmnistlab.models.registry import names_code
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.run import BatchResult, Run
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.records.history import History


@dataclasses.dataclass(frozen=True)
class Verification:
    """What came of verifying a run.

    Attributes:
        differences: where files of the run contradict each other or the repetition differs from
            it, in words that name file and key; empty if nowhere.
        environment: what differs between then and now and may be why, in words.
        compared: what was compared with the repetition, in words; empty if there was none.
        pictures: pictures that are there.
        epochs: epochs that were repeated.
        weights_sha256: of the weights they led to; see `weights_sha256`. None without a repetition.
    """

    differences: tuple[str, ...]
    environment: tuple[str, ...]
    compared: tuple[str, ...]
    pictures: int
    epochs: int
    weights_sha256: str | None

    @property
    def matches(self) -> bool:
        """Whether everything was the same."""
        return not self.differences


def verify_run(
    path: Path,
    callbacks: Sequence[Callback] = (),
    *,
    model: str | None = None,
    recipe: Recipe | None = None,
) -> Verification:
    """Compares the files of a run folder with each other, and then with those of a repetition.

    All is compared but times, pictures and the environment: every epoch, every tensor and every
    other value in the checkpoint, every value of the result, data and split. Of pictures only
    their presence counts. The repetition ends at the first epoch that is neither the history's
    nor the checkpoint's. It leaves nothing behind, and nothing is written in the run folder.

    Args:
        path: the run folder of a finished training.
        callbacks: watch the repetition.
        model: what to train; needed if it was of a file or a module that no package offers, as
            "my_model.py:Net". None takes the name in the records.
        recipe: has the run's augmentations; needed if one of them is code that no package offers.

    Raises:
        RunFolderError: it is no run folder, a record in it cannot be read, or the training cannot
            be repeated with what the records say.
        CheckpointError: the checkpoint is damaged.
        FmnistlabError: the training cannot be repeated here, for lack of the data or the model.
    """
    RunFolder.open(path)
    recorded = read_finished_run(path, model)
    found = inconsistencies(recorded)
    watch = _Watch(recorded)
    eager = recorded.config.execution == "auto" and recorded.result.executed == "eager"
    try:
        repeated = _repeat(
            recorded, model, recipe, [*callbacks, watch, *([_KeepsEager()] if eager else [])]
        )
    except FmnistlabError as error:
        if found:  # which may be why
            told = f"{CONFIG}: the training cannot be repeated: {error}"
            return Verification((*found, told), (), (), 0, 0, None)
        if isinstance(error, ConfigurationError):
            raise RunFolderError(f"{path}: cannot be repeated here: {error}") from error
        raise
    comparison = compare_runs(recorded, repeated, ended_early=watch.differs)
    return Verification(
        differences=found + comparison.differences,
        environment=environment_changes(recorded.config, repeated.config),
        compared=comparison.compared,
        pictures=len(recorded.result.pictures),
        epochs=len(repeated.history),
        weights_sha256=repeated.saved.weights_sha256,
    )


def _repeat(
    recorded: FinishedRun,
    model: str | None,
    recipe: Recipe | None,
    callbacks: Sequence[Callback],
) -> FinishedRun:
    """Trains once more, and returns what that wrote into a folder that is gone by then."""
    with tempfile.TemporaryDirectory(prefix="fmnistlab-verify-") as scratch:
        config = _settings(recorded.config, model, recipe, Path(scratch, "run"))
        if recorded.result.test is None:
            folder = train_only(config, callbacks, load_parts)
        else:
            folder = run_experiment(config, callbacks).folder
        return read_finished_run(folder, model)


class _Watch(Callback):
    """Stops at the first epoch that is not in the run, and where the run was stopped."""

    def __init__(self, recorded: FinishedRun) -> None:
        self._histories = (recorded.history, recorded.saved.history)
        self._result = recorded.result
        self.differs = False

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Compares the epoch, all but its time."""
        if not any(_has(history, record) for history in self._histories):
            self.differs = True
            run.stop("the repetition differs from the run")
            return
        result = self._result
        ended_early = record.epoch == result.epochs < run.last_epoch
        if ended_early and result.stop_reason is not None:  # a callback did it then
            run.stop(result.stop_reason)


class _KeepsEager(Callback):
    """Keeps steps from being recorded, as a callback of the training perhaps did."""

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        """Does nothing; that it could look at the model is enough."""


def _has(history: History, record: EpochRecord) -> bool:
    if len(history) < record.epoch:
        return False
    same_epoch = dataclasses.replace(history[record.epoch - 1], epoch=1)
    now = dataclasses.replace(record, epoch=1)
    return not differing_epochs(History([same_epoch]), History([now]), but=TIMES)


def _settings(
    config: RunConfig, model: str | None, recipe: Recipe | None, out: Path
) -> ExperimentConfig:
    """Returns the settings of a run, to be repeated in another folder.

    Raises:
        ConfigurationError: only the run itself names the code of its model or of an augmentation.
    """
    if model is None and names_code(config.model.name):
        raise ConfigurationError(
            f"its model is {config.model.name}, which no installed package offers. Code is never "
            "run because a file names it; if you trust it, name it yourself with "
            f"{setting('model', ...)}."
        )
    return ExperimentConfig(
        model=model or config.model.name,
        model_options=config.model.options,
        **config.data.places(),
        valid_fraction=config.split.valid_fraction,
        split_seed=config.split.seed,
        recipe=_recipe(config, recipe),
        metrics=config.metrics,
        seed=config.seed,
        device=config.device,
        threads=config.threads,
        execution=config.execution,
        out=out,
        pictures=False,
    )


def _recipe(config: RunConfig, given: Recipe | None) -> Recipe:
    """Returns the recipe of a run, with the augmentations that were given, if any were."""
    if given is None:
        code = unoffered(config.recipe["augmentation"])
        if code:
            raise ConfigurationError(
                f"its recipe has the augmentation {', '.join(code)}, which no installed package "
                "offers. Code is never run because a file names it; if you trust it, give the "
                f"recipe yourself with {setting('recipe', ...)}."
            )
        return config.make_recipe()
    recipe = config.recorded_recipe().replace(augmentation=given.augmentation)
    for place, then, now in differing(config.recipe, recipe.to_dict(), "recipe"):
        raise ConfigurationError(f"it was trained with {place} {then}, and not {now}.")
    return recipe
