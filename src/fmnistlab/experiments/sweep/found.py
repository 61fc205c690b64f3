"""Every run below a folder, whoever made it and however far it came."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from fmnistlab.errors import RunFolderError
from fmnistlab.experiments.records.config import RunConfig
from fmnistlab.experiments.records.failure import read_failure
from fmnistlab.experiments.records.reading import read_config, read_history, read_result
from fmnistlab.experiments.run_folder import RunFolder
from fmnistlab.experiments.run_folder_state import CONFIG, FAILURE, FolderState, folder_state
from fmnistlab.foundation.assignments import format_assignments
from fmnistlab.training.recipes.changes import changed_settings

FoundState: TypeAlias = Literal["done", "in use", "begun", "failed", "damaged"]
"""How far a run came: "begun" is one that was interrupted and goes on with `resume`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoundRun:
    """One run folder.

    Attributes:
        folder: where.
        state: how far it came.
        model: name of the model, also in place of all that follows None where it is not known.
        options: of the model, as text: "hidden=64"; "" for none.
        recipe: how it differs from the classic one, as text: "epochs=3"; "" if it does not.
        seed: of the training.
        epochs: that were trained.
        val_accuracy: validation accuracy of the last epoch.
        test_accuracy: accuracy on the test set; also None of a trial of a search.
        test_interval: ends of its 95 % Wilson score interval.
        seconds: of all epochs.
        started: when, as text with the offset from UTC.
        reason: why it failed or cannot be read.
    """

    folder: Path
    state: FoundState
    model: str | None = None
    options: str = ""
    recipe: str = ""
    seed: int | None = None
    epochs: int | None = None
    val_accuracy: float | None = None
    test_accuracy: float | None = None
    test_interval: tuple[float, float] | None = None
    seconds: float | None = None
    started: str | None = None
    reason: str | None = None


def find_runs(folders: Iterable[str | os.PathLike[str]]) -> list[FoundRun]:
    """Returns every run at or below some folders, the newest first; nothing is changed there.

    Links are not followed, and what is in a run folder is not searched.

    Args:
        folders: where to look.

    Raises:
        RunFolderError: one of them is no folder, or cannot be read.
    """
    found = {path.absolute(): run for folder in folders for path, run in _below(Path(folder))}
    return sorted(found.values(), key=lambda run: run.started or "", reverse=True)


def _below(top: Path) -> Iterator[tuple[Path, FoundRun]]:
    def refuse(error: OSError) -> None:
        if Path(error.filename) == top:
            raise RunFolderError(f"{top}: cannot be searched: {error.strerror}.") from error

    for name, folders, files in os.walk(top, onerror=refuse):
        if CONFIG in files or FAILURE in files:
            run = _look(Path(name))
            if run is not None:
                folders.clear()
                yield Path(name), run
        folders.sort()


def _look(folder: Path) -> FoundRun | None:
    """Returns what a folder holds, or None if it is none of ours."""
    try:
        state = folder_state(folder)
        if state is FolderState.FOREIGN:
            return None
        failure = read_failure(folder)
        if failure is not None and state is not FolderState.FINISHED:
            run = FoundRun(
                folder=folder,
                state="failed",
                model=failure.model,
                seed=failure.seed,
                reason=failure.reason,
            )
            return run if state is FolderState.EMPTY else _described(run, read_config(folder))
        if state is FolderState.EMPTY:
            return None
        if state is FolderState.FINISHED:
            return _finished(folder)
        in_use = RunFolder(folder).in_use
        begun = FoundRun(folder=folder, state="in use" if in_use else "begun")
        return _described(begun, read_config(folder))
    except RunFolderError as error:
        return FoundRun(folder=folder, state="damaged", reason=str(error))


def _finished(folder: Path) -> FoundRun:
    result, history = read_result(folder), read_history(folder)
    test = result.test
    run = _described(FoundRun(folder=folder, state="done"), read_config(folder))
    return dataclasses.replace(
        run,
        epochs=result.epochs,
        val_accuracy=result.validation.accuracy,
        test_accuracy=None if test is None else test.accuracy,
        test_interval=None if test is None else test.accuracy_interval_95,
        seconds=sum(record.seconds for record in history),
    )


def _described(run: FoundRun, config: RunConfig) -> FoundRun:
    """Returns a run with what its settings say."""
    return dataclasses.replace(
        run,
        model=config.model.name,
        options=format_assignments(config.model.options),
        recipe=format_assignments(changed_settings(config.recipe)),
        seed=config.seed,
        started=config.started,
    )
