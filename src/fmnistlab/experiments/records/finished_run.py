"""All that the files of a finished run hold, but its pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fmnistlab.errors import CheckpointError
from fmnistlab.experiments.records.config import RunConfig
from fmnistlab.experiments.records.named_model import named_model
from fmnistlab.experiments.records.predictions import RunPredictions, read_predictions
from fmnistlab.experiments.records.reading import (
    read_config,
    read_history,
    read_history_csv,
    read_result,
)
from fmnistlab.experiments.records.result import RunResult
from fmnistlab.experiments.run_folder_state import CHECKPOINT
from fmnistlab.foundation.regular_file import read_regular_file
from fmnistlab.models.weights_hash import weights_sha256
from fmnistlab.training.checkpoints.file import decode_checkpoint
from fmnistlab.training.checkpoints.trainer_state import read_trainer_state
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.history import History


@dataclasses.dataclass(frozen=True)
class SavedTraining:
    """What the checkpoint of a finished run holds.

    Attributes:
        tensors: by name, on the CPU.
        state: all else, values of JSON.
        history: the history in it.
        weights_sha256: of the weights in it; see `fmnistlab.models.weights_sha256`.
        parameters: numbers in the parameters of its model.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]
    history: History
    weights_sha256: str
    parameters: int


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """What a run folder holds.

    Attributes:
        path: the folder.
        config: of `config.json`.
        history: of `history.json`.
        history_csv: the bytes of `history.csv`.
        result: of `result.json`.
        predictions: of `predictions.safetensors`; None if the run was not tested.
        saved: of the checkpoint.
    """

    path: Path
    config: RunConfig
    history: History
    history_csv: bytes
    result: RunResult
    predictions: RunPredictions | None
    saved: SavedTraining


def read_finished_run(path: Path, model: str | None = None) -> FinishedRun:
    """Reads a run folder; nothing in it is changed.

    Args:
        path: the folder.
        model: the name of its model, if not the recorded one is to be followed.

    Raises:
        RunFolderError: a record is missing or is not what a training has written.
        CheckpointError: likewise of the checkpoint.
        UnknownModelError: its model is not installed here.
        ModelLoadError, ModelNameClashError: likewise.
    """
    config, result = read_config(path), read_result(path)
    return FinishedRun(
        path=path,
        config=config,
        history=read_history(path),
        history_csv=read_history_csv(path),
        result=result,
        predictions=None if result.test is None else read_predictions(path),
        saved=_read_saved(path / CHECKPOINT, named_model(path, model), config.recorded_recipe()),
    )


def _read_saved(path: Path, model: nn.Module | None, recipe: Recipe) -> SavedTraining:
    try:
        content = read_regular_file(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}.") from error
    checkpoint = decode_checkpoint(content, path)
    trainer = read_trainer_state(content, path, model, recipe)
    return SavedTraining(
        tensors=checkpoint.tensors,
        state=checkpoint.state,
        history=trainer.history,
        weights_sha256=weights_sha256(trainer.model),
        parameters=sum(parameter.numel() for parameter in trainer.model.parameters()),
    )
