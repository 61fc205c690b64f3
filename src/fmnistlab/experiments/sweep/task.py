"""One training of many: it returns what came of it and raises nothing that is its own fault."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeAlias

from torch import nn

from fmnistlab.errors import ConfigurationError, RunFolderError, RunFolderInUseError, Terminated
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.experiment import Experiment, run_with, train_only
from fmnistlab.experiments.parts import Parts, load_parts
from fmnistlab.experiments.records.failure import FailureRecord
from fmnistlab.experiments.records.predictions import (
    RunPredictions,
    content_sha256,
    read_predictions,
)
from fmnistlab.experiments.run_folder import RunFolder
from fmnistlab.experiments.run_folder_state import FAILURE, PREDICTIONS, FolderState, folder_state
from fmnistlab.foundation.atomic_file import write_atomically
from fmnistlab.foundation.json_text import json_text
from fmnistlab.foundation.logger import get_logger, kept_warnings
from fmnistlab.foundation.terminal import describe, printable
from fmnistlab.foundation.worker_processes import leave_missing_folder
from fmnistlab.models.registry import model_name, register_model
from fmnistlab.training.callbacks.base import Callback

OutcomeState: TypeAlias = Literal["done", "failed", "in use"]
"""What came of a training: it finished, it failed, or another process is at it."""

_logger = get_logger(__name__)

_LONGEST_TRACEBACK: Final = 20_000


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one training.

    Attributes:
        folder: its run folder.
        state: how it ended.
        reason: why it failed, in words; None if it did not.
        accidental: whether it failed for want of room or memory, and may not the next time.
        warnings: what was logged meanwhile in another process, from warnings on.
    """

    folder: Path
    state: OutcomeState
    reason: str | None = None
    accidental: bool = False
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Task:
    """One training to be made.

    Attributes:
        config: what to do; its `out` is the run folder, and it resumes what lies there.
        fingerprints: those that fit, valid and test set must have.
        steps: training steps of the whole training.
        factory: what was registered under the model's name where the task was made, since another
            process has not run that script; None if nothing was.
        callbacks: watch the training, in the process that makes it.
        tested: whether the model is tested at the end; if not, the test set is left alone.
        process: number of the process that asks for it.
    """

    config: ExperimentConfig
    fingerprints: tuple[str, str, str]
    steps: int
    factory: Callable[..., nn.Module] | None = None
    callbacks: tuple[Callback, ...] = ()
    tested: bool = True
    process: int = dataclasses.field(default_factory=os.getpid)

    @property
    def folder(self) -> Path:
        """The run folder.

        Raises:
            ConfigurationError: the settings name none.
        """
        if self.config.out is None:
            raise ConfigurationError("A task needs a run folder.")
        return self.config.out


def run_task(task: Task) -> Outcome:
    """Trains, or goes on with what was begun; a finished training is not repeated.

    Whatever goes wrong is noted as `failure.json` in the run folder, which the next training there
    removes.

    Args:
        task: what to do.

    Raises:
        KeyboardInterrupt, Terminated: it was ended from outside.
    """
    if task.process == os.getpid():
        return _run(task)
    leave_missing_folder()
    # The process that asked has handlers for warnings, and prints results.
    with kept_warnings() as warnings, contextlib.redirect_stdout(sys.stderr):
        outcome = _run(task)
    return dataclasses.replace(outcome, warnings=tuple(warnings))


def _run(task: Task) -> Outcome:
    config, folder = task.config, task.folder
    try:
        if task.factory is not None:
            register_model(config.model)(task.factory)
        load = functools.partial(_load, fingerprints=task.fingerprints)
        if task.tested:
            experiment = run_with(config, task.callbacks, load, tell_kept=False)
            _restore_predictions(experiment, config, task.fingerprints)
        else:
            train_only(config, task.callbacks, load, tell_kept=False)
    except RunFolderInUseError as error:
        return Outcome(folder, "in use", str(error))
    except Terminated:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - told; the other trainings go on
        reason = describe(error)
        _note_failure(folder, config, reason)
        accidental = isinstance(error, OSError | MemoryError)
        return Outcome(folder, "failed", reason, accidental=accidental)
    return Outcome(folder, "done")


def _load(config: ExperimentConfig, fingerprints: tuple[str, str, str]) -> Parts:
    """Returns data of these fingerprints, which a process that trains often reads only once."""
    places = (config.data, config.train, config.test, config.valid_fraction, config.split_seed)
    return _loaded(places, fingerprints)


@functools.lru_cache(maxsize=1)
def _loaded(
    places: tuple[Path | None, Path | None, Path | None, float, int],
    fingerprints: tuple[str, str, str],
) -> Parts:
    data, train, test, valid_fraction, split_seed = places
    parts = load_parts(
        ExperimentConfig(
            model="",
            data=data,
            train=train,
            test=test,
            valid_fraction=valid_fraction,
            split_seed=split_seed,
        )
    )
    for name, part, wanted in zip(("fit", "valid", "test"), parts, fingerprints, strict=True):
        if part.fingerprint != wanted:
            raise ConfigurationError(
                f"{part.name}: the {name} set is not what it was when the trainings were planned: "
                f"its fingerprint was {wanted[:12]}... and is {part.fingerprint[:12]}... now. Put "
                "the data back, or begin in another folder."
            )
    return parts


def forget_data() -> None:
    """Lets go of the data that this process has read for its tasks."""
    _loaded.cache_clear()


def _restore_predictions(
    experiment: Experiment, config: ExperimentConfig, fingerprints: tuple[str, str, str]
) -> None:
    """Makes the predictions of a finished run again if their file is damaged or gone.

    Raises:
        RunFolderError: what the checkpoint predicts here is not what the result says.
    """
    try:
        read_predictions(experiment.folder)
        return
    except RunFolderError as error:
        damaged = error
    test = _load(config, fingerprints).test
    content = RunPredictions.of(experiment.trainer.predict(test), test).to_bytes()
    if content_sha256(content) != experiment.result["predictions_sha256"]:
        raise damaged
    folder = RunFolder.open(experiment.folder)
    with folder.locked():
        folder.write_bytes(PREDICTIONS, content)
    _logger.warning("%s Predicted again from the checkpoint: the same bits.", damaged)


def _note_failure(folder: Path, config: ExperimentConfig, reason: str) -> None:
    """Writes why a training failed, if there is any way to."""
    trace = printable(traceback.format_exc()[-_LONGEST_TRACEBACK:], lines=True)
    told = FailureRecord(
        model=model_name(config.model), seed=config.seed, reason=reason, traceback=trace
    )
    try:
        if folder_state(folder) not in (FolderState.EMPTY, FolderState.BEGUN):
            return  # it is not ours, or holds a result
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(folder / FAILURE) as stream:
            stream.write((json_text(dataclasses.asdict(told)) + "\n").encode())
    except OSError as error:
        _logger.warning("%s: why its training failed cannot be noted: %s", folder, error)
