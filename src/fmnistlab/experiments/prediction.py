"""What a run says of its test set: as it was written, or predicted again where that is gone."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from fmnistlab.data.source import load_data
from fmnistlab.errors import RunFolderError
from fmnistlab.experiments.records.named_model import named_model
from fmnistlab.experiments.records.predictions import RunPredictions, read_predictions
from fmnistlab.experiments.records.reading import read_config, read_result
from fmnistlab.experiments.run_folder import RunFolder
from fmnistlab.foundation.logger import get_logger
from fmnistlab.training.trainer import Trainer

_logger = get_logger(__name__)


def run_predictions(
    folder: str | os.PathLike[str],
    *,
    model: str | None = None,
    device: str | torch.device = "auto",
) -> RunPredictions:
    """Returns what the model of a run says of each image of its test set.

    That is in the run folder. If the file is missing or damaged there, the checkpoint predicts
    again, which is told as a warning; nothing is written.

    Args:
        folder: the run folder of a finished training.
        model: where the code of the model is, if it has to predict and no package offers it.
        device: where it predicts then.

    Raises:
        RunFolderError: it is no run folder, or that of a trial, which is not tested; a record in it
            cannot be read, or the file is missing and the test set is no longer what it was.
        CheckpointError: the file is missing, and the checkpoint is damaged.
        FmnistlabError: the file is missing, and data or model cannot be loaded.
    """
    run = RunFolder.open(Path(folder))
    require_tested(run.path)
    try:
        return read_predictions(run.path)
    except RunFolderError as error:
        damaged = error
    config = read_config(run.path)
    recorded = config.data
    trainer = Trainer.load(
        run.checkpoint,
        model=named_model(run.path, model),
        recipe=config.recorded_recipe(),
        device=device,
    )
    _, test = load_data(**recorded.places())
    if test.fingerprint != recorded.test.fingerprint:
        raise RunFolderError(
            f"{damaged} Nor is {test.name} the test set of this run any more: its fingerprint "
            "differs."
        ) from damaged
    predictions = RunPredictions.of(trainer.predict(test), test)
    _logger.warning("%s Predicted again from the checkpoint.", damaged)
    return predictions


def require_tested(folder: Path) -> None:
    """Refuses a run that was not tested, so that nothing tests it in passing.

    Raises:
        RunFolderError: it was not, as no trial of a search is; or the result cannot be read.
    """
    if read_result(folder).test is None:
        raise RunFolderError(
            f"{folder}: holds a trial of a search, which was not tested: there are no predictions "
            "of test images. The winner's runs have them."
        )
