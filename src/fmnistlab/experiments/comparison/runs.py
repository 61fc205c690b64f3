"""The runs that are compared: of each variant, a run folder for each seed, and what lies there."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from fmnistlab.errors import ConfigurationError, RunFolderError
from fmnistlab.experiments.records.differences import differing
from fmnistlab.experiments.records.failure import read_failure
from fmnistlab.experiments.records.identity import TrainingIdentity
from fmnistlab.experiments.records.predictions import in_order_of_images, read_predictions
from fmnistlab.experiments.records.reading import read_config, read_history, read_result
from fmnistlab.experiments.records.result import RunResult
from fmnistlab.experiments.run_folder import RunFolder
from fmnistlab.experiments.run_folder_state import FolderState, folder_state
from fmnistlab.experiments.sweep.plan import LONGEST_NAME
from fmnistlab.foundation.assignments import format_assignments
from fmnistlab.foundation.terminal import printable
from fmnistlab.shapes import UInt8
from fmnistlab.training.recipes.named import BALANCED, BEST, CLASSIC, FAST
from fmnistlab.training.records.history import History

RunState: TypeAlias = Literal["done", "failed", "begun", "missing"]
"""How far a run is, told by what lies in its folder."""


@dataclasses.dataclass(frozen=True)
class Group:
    """The runs of one variant.

    Attributes:
        name: of the variant.
        training: what all its runs have in common.
        folders: run folders by seed; a folder need not be there yet.
    """

    name: str
    training: TrainingIdentity
    folders: dict[int, Path]


@dataclasses.dataclass(frozen=True)
class ComparedRun:
    """One run.

    Attributes:
        variant: name of its variant.
        seed: of the training.
        folder: its run folder.
        state: how far it is.
        reason: why it failed or cannot be read, in words; None otherwise.
        accuracy: on the test set; None unless it is done, and so below.
        loss: on the test set; also None if it was not finite.
        epochs: that were trained.
        seconds: of the epochs, their validation included.
    """

    variant: str
    seed: int
    folder: Path
    state: RunState
    reason: str | None = None
    accuracy: float | None = None
    loss: float | None = None
    epochs: int | None = None
    seconds: float | None = None


class FinishedGroup(NamedTuple):
    """What the runs of a variant gave.

    Attributes:
        group: whose runs.
        runs: all of them, in the order of the seeds.
        results: of those that are done.
        histories: likewise.
        correct: 1 where a run is right on an image, uint8 (runs that are done, images); images in
            an order that is the same for all groups of a test set.
    """

    group: Group
    runs: tuple[ComparedRun, ...]
    results: tuple[RunResult, ...]
    histories: tuple[History, ...]
    correct: UInt8[np.ndarray, "runs images"]
    images: str


def read_group(group: Group, reasons: Mapping[Path, str]) -> FinishedGroup:
    """Reads what is there of a variant's runs; what cannot be read counts as failed.

    Args:
        group: the runs.
        reasons: why runs failed, by folder, where the folder itself may not be able to say it.

    Raises:
        ConfigurationError: two runs were not tested on the same images.
    """
    runs, results, histories, rows = [], [], [], []
    images = ""
    for seed, folder in sorted(group.folders.items()):
        try:
            state = _state(folder)
            reason = reasons.get(folder) or _reason(folder, state)
            if reason is not None:
                state = "failed"
            run = ComparedRun(group.name, seed, folder, state, reason)
            if state == "done":
                _check_training(folder, group.training, seed)
                result, history = read_result(folder), read_history(folder)
                found, test = read_predictions(folder), result.test
                order = in_order_of_images(found)
                tested = hashlib.sha256(found.images.numpy()[order].tobytes())
                tested.update(found.targets.numpy()[order].tobytes())
                if images not in ("", tested.hexdigest()):
                    raise ConfigurationError(
                        f"{folder}: was tested on other images than the runs before it. Compare "
                        "runs of one test set."
                    )
                images = tested.hexdigest()
                results.append(result)
                histories.append(history)
                rows.append(found.correct.numpy()[order])
                run = dataclasses.replace(
                    run,
                    accuracy=None if test is None else test.accuracy,
                    loss=None if test is None else test.loss,
                    epochs=result.epochs,
                    seconds=sum(record.seconds for record in history),
                )
        except RunFolderError as error:
            run = ComparedRun(group.name, seed, folder, "failed", str(error))
        runs.append(run)
    correct = np.stack(rows).astype(np.uint8) if rows else np.zeros((0, 0), np.uint8)
    return FinishedGroup(group, tuple(runs), tuple(results), tuple(histories), correct, images)


def _check_training(folder: Path, wanted: TrainingIdentity, seed: int) -> None:
    """Refuses a run whose settings are not those that the name of its folder stands for.

    Raises:
        RunFolderError: likewise, or the settings cannot be read.
    """
    config = read_config(folder)
    one = {"seed": seed, **dataclasses.asdict(wanted)}
    other = {"seed": config.seed, **dataclasses.asdict(TrainingIdentity.of(config))}
    for place, planned, found in differing(one, other):
        raise RunFolderError(
            f"{folder}: holds a training with another {place}: {found}, and not {planned}. Remove "
            "it, and it is made again."
        )


def _state(folder: Path) -> RunState:
    state = folder_state(folder)
    if state is FolderState.FOREIGN:
        raise RunFolderError(f"{folder}: is not the folder of a training.")
    if state is FolderState.FINISHED:
        return "done"
    if read_failure(folder) is not None:
        return "failed"
    return "begun" if state is FolderState.BEGUN else "missing"


def _reason(folder: Path, state: RunState) -> str | None:
    failure = read_failure(folder) if state == "failed" else None
    return None if failure is None else failure.reason


def group_runs(folders: Sequence[Path]) -> list[Group]:
    """Returns finished runs by what they were trained with; those of a group differ by seed.

    Args:
        folders: run folders.

    Raises:
        RunFolderError: one is not the folder of a finished training.
        ConfigurationError: two are of the same training and seed.
    """
    groups: list[Group] = []
    for folder in folders:
        RunFolder.open(folder)
        config = read_config(folder)
        training = TrainingIdentity.of(config)
        group = next((group for group in groups if group.training == training), None)
        if group is None:
            name = printable(_name(training, groups), limit=LONGEST_NAME)
            group = Group(name, training, {})
            groups.append(group)
        if config.seed in group.folders:
            raise ConfigurationError(
                f"{folder} and {group.folders[config.seed]} are the same training with the same "
                f"seed, {config.seed}. Name it once."
            )
        group.folders[config.seed] = folder
    return groups


def _name(training: TrainingIdentity, others: Sequence[Group]) -> str:
    """Returns what `parse_variant` reads as this training, if others have not the same name."""
    options, recipe = training.model.options, training.recipe
    name = ",".join([training.model.name, *([format_assignments(options)] if options else [])])
    usual = CLASSIC.describe()
    changed = {place: value for place, value in recipe.items() if value != usual.get(place)}
    named = {"fast": FAST, "balanced": BALANCED, "best": BEST}
    how = next((word for word, known in named.items() if known.describe() == recipe), None)
    if changed:
        name = f"{name}@{how or format_assignments(changed)}"
    return f"{name}#{len(others) + 1}" if name in [group.name for group in others] else name
