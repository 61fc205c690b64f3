"""The page of a run: what it learned, where it is wrong, how sure it is, how it was made."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.errors import FmnistlabError, RunFolderError
from fmnistlab.experiments.prediction import require_tested, run_predictions
from fmnistlab.experiments.records.config import RunConfig
from fmnistlab.experiments.records.named_model import named_model
from fmnistlab.experiments.records.predictions import RunPredictions, read_predictions
from fmnistlab.experiments.records.reading import read_config, read_history, read_result
from fmnistlab.experiments.records.result import RunResult
from fmnistlab.experiments.run_folder import RunFolder
from fmnistlab.foundation.html import without_middle
from fmnistlab.models.layers import ModelSummary, summary
from fmnistlab.reporting.augmented import Augmented, augmented_samples
from fmnistlab.reporting.charts.lines import Line, lines_chart
from fmnistlab.reporting.charts.reliability import reliability_chart
from fmnistlab.reporting.found_images import FoundImages, find_images
from fmnistlab.reporting.page import LIMIT, render
from fmnistlab.reporting.repeating import repeating_command, repeating_lines
from fmnistlab.reporting.tiles import Gallery, gallery
from fmnistlab.statistics.reliability import Calibration, calibration
from fmnistlab.training.records.classification import class_scores, confusion_matrix, most_confused
from fmnistlab.training.records.history import History
from fmnistlab.training.records.intervals_by_class import class_intervals
from fmnistlab.training.records.predictions import Predictions
from fmnistlab.training.trainer import Trainer

_MOST_MISTAKES: Final = 1_400
_FIRST_MISTAKES: Final = 60
_MOST_EPOCHS: Final = 200


class _Run(NamedTuple):
    """What the page of a run is made from."""

    config: RunConfig
    result: RunResult
    history: History
    predictions: RunPredictions
    images: FoundImages
    layers: ModelSummary | None
    augmented: Augmented | None
    notes: tuple[str, ...]


def run_page(folder: Path, model: str | None = None) -> str:
    """Returns the page of a finished run.

    Args:
        folder: the run folder.
        model: where the code of its model is, if no installed package offers it.

    Raises:
        RunFolderError: it is not the folder of a finished training, or a record cannot be read.
        FmnistlabError: there are no predictions in it, and they cannot be made anew.
    """
    run = _read(folder, model)
    most = _MOST_MISTAKES
    while True:
        page = _page(run, most)
        if len(page.encode()) <= LIMIT or most == 0:
            return page
        most = most * 3 // 4 if most > 10 else 0


def _read(folder: Path, model: str | None) -> _Run:
    RunFolder.open(folder)
    require_tested(folder)
    config, result, history = read_config(folder), read_result(folder), read_history(folder)
    notes: list[str] = []
    trainer = _trainer(folder, model, notes)
    try:
        predictions = read_predictions(folder)
    except RunFolderError as error:
        predictions = run_predictions(folder, model=model, device="cpu")
        notes.append(f"The predictions were made anew from the checkpoint. {error}")
    images = find_images(config.data, predictions.images.numpy())
    notes += [] if images.note is None else [images.note]
    layers = None
    if trainer is not None:
        try:
            layers = summary(trainer.model)
        except Exception as error:  # noqa: BLE001 - a stranger's model; the page has all else
            notes.append(f"The layers are not listed: {type(error).__name__}: {error}")
    augmented = augmented_samples(config, notes)
    return _Run(config, result, history, predictions, images, layers, augmented, tuple(notes))


def _trainer(folder: Path, model: str | None, notes: list[str]) -> Trainer | None:
    """Returns the trainer of a run, if its model can be made here."""
    path, recipe = RunFolder(folder).checkpoint, read_config(folder).recorded_recipe()
    try:
        return Trainer.load(path, model=named_model(folder, model), recipe=recipe, device="cpu")
    except FmnistlabError as error:
        if model is not None:
            raise
        notes.append(f"The layers are not listed: {error}")
        return None


def _page(run: _Run, most: int) -> str:
    """Returns the page with a number of mistakes at most."""
    config, result = run.config, run.result
    tiles = gallery(run.predictions, run.images, most)
    found = Predictions(run.predictions.labels, run.predictions.probabilities)
    matrix = confusion_matrix(run.predictions.targets, found)
    scores = class_scores(run.predictions.targets, found)
    intervals = class_intervals(matrix)
    calibrated = calibration(
        run.predictions.probabilities.to(torch.float32).nan_to_num(0.0).numpy(),
        run.predictions.targets.numpy(),
    )
    augmented = []
    if run.augmented is not None:
        augmented = run.augmented.rows(tiles.sprite, tiles.sprite.add(run.augmented.images))
    by_class = [
        {"name": score.name, "score": score, "intervals": ends, "tile": tile}
        for score, ends, tile in zip(scores, intervals, tiles.classes, strict=True)
    ]
    contents = {
        "title": f"{result.model}, seed {result.seed}",
        "config": config,
        "result": result,
        "right": int(matrix.trace()),
        "count": int(matrix.sum()),
        "metrics": result.test,
        "confusions": most_confused(matrix, 5),
        "by_class": by_class,
        "low_score": math.floor(9.9 * min(min(*e.precision, *e.recall, *e.f1) for e in intervals))
        / 10,
        "calibration": calibrated,
        "curves": _curves(run.history),
        "reliability": reliability_chart("reliability", calibrated),
        "epochs": _epochs(run.history),
        "best_epoch": _best_epoch(run.history),
        "gallery": tiles,
        "first": _FIRST_MISTAKES,
        "layers": run.layers,
        "augmented": augmented,
        "augmentations": config.recipe["augmentation"],
        "recipe": _flat(config.recipe),
        "versions": _flat(dataclasses.asdict(config.versions)),
        "machine": _flat(dataclasses.asdict(config.machine)),
        "command": repeating_command(config),
        "python": repeating_lines(config),
        "notes": run.notes,
        "numbers": _numbers(run, matrix.tolist(), calibrated, tiles, by_class),
    }
    return render("run.html", contents, tiles.sprite)


def _curves(history: History) -> list[Any]:
    validated = any(record.validated for record in history)
    charts = []
    for key, label in (("loss", "loss"), ("accuracy", "accuracy")):
        lines = [Line("training", [getattr(record, key) for record in history])]
        if validated:
            values = [getattr(record, f"val_{key}") for record in history]
            none = float("nan")
            lines.append(Line("validation", [none if v is None else v for v in values]))
        charts.append(lines_chart(f"curve-{key}", f"{label.capitalize()} by epoch", label, lines))
    return charts


def _epochs(history: History) -> list[Any]:
    """Returns the epochs for a table; a number in place of many in the middle."""
    first, last, between = without_middle(list(history), _MOST_EPOCHS)
    return [*first, *([between] if between else []), *last]


def _best_epoch(history: History) -> int | None:
    """Returns the epoch with the lowest validation loss."""
    losses = [(r.val_loss, r.epoch) for r in history if r.val_loss is not None]
    return min(losses)[1] if losses else None


def _flat(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns settings as words: text as it is, nothing and empty lists as none, others as JSON."""
    return [(name.replace("_", " "), _in_words(value)) for name, value in settings.items()]


def _in_words(value: object) -> str:
    if value is None or value == []:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def _numbers(
    run: _Run,
    matrix: list[list[int]],
    calibrated: Calibration,
    tiles: Gallery,
    by_class: list[dict[str, Any]],
) -> dict[str, Any]:
    """Returns the numbers of the page as values of JSON, in full precision."""
    return {
        "format": 1,
        "config": dataclasses.asdict(run.config),
        "result": dataclasses.asdict(run.result),
        "history": [record.to_json_object() for record in run.history],
        "classes": list(CLASS_NAMES),
        "confusion": matrix,
        "class_intervals_95": [dataclasses.asdict(one["intervals"]) for one in by_class],
        "calibration": dataclasses.asdict(calibrated),
        "mistakes": [
            [tile.name, tile.true, tile.predicted, round(tile.confidence, 6)]
            for tile in tiles.mistakes
        ],
        "notes": list(run.notes),
    }
