"""Whether the files of a run folder agree with each other; no training is needed to say so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.experiments.records.differences import Difference, differing, differing_epochs
from fmnistlab.experiments.records.finished_run import FinishedRun
from fmnistlab.experiments.records.pictures import picture_faults
from fmnistlab.experiments.records.result import ClassRecord, ValidationRecord
from fmnistlab.experiments.run_folder_state import (
    CHECKPOINT,
    CONFIG,
    HISTORY_CSV,
    HISTORY_JSON,
    PREDICTIONS,
    RESULT,
)
from fmnistlab.training.callbacks.csv_log import history_to_csv
from fmnistlab.training.records.metrics import wilson_interval


def inconsistencies(run: FinishedRun) -> tuple[str, ...]:
    """Returns in words where the files of a run contradict each other, each with file and key.

    Returns:
        An empty tuple if nowhere.
    """
    parts = (_settings, _weights, _history, _result, _test, _classes, _predictions)
    found = [sentence for part in parts for sentence in part(run)]
    return (*found, *picture_faults(run.path, run.result.pictures))


def _contradict(file: str, other: str, found: Iterator[Difference]) -> Iterator[str]:
    for place, mine, theirs in found:
        yield f"{file}: {place}: {mine}, but {other} says {theirs}"


def _settings(run: FinishedRun) -> Iterator[str]:
    """Compares the settings with those in the checkpoint and the result."""
    config, state = run.config, run.saved.state
    reference = state["model"]["reference"]
    mine: dict[str, Any] = {
        "origin": dataclasses.asdict(config.origin),
        "model": {"name": config.model.name, "options": config.model.options},
        "recipe": config.recipe,
        "metrics": config.metrics,
        "seed": config.seed,
        "execution": config.execution,
    }
    theirs = {**{name: state[name] for name in mine}, "model": reference}
    yield from _contradict(CONFIG, CHECKPOINT, differing(mine, theirs))
    named = {"model": run.result.model, "seed": run.result.seed}
    of_config = {"model": config.model.name, "seed": config.seed}
    yield from _contradict(RESULT, CONFIG, differing(named, of_config))


def _weights(run: FinishedRun) -> Iterator[str]:
    mine = {"weights_sha256": run.result.weights_sha256, "parameters": run.result.parameters}
    theirs = {"weights_sha256": run.saved.weights_sha256, "parameters": run.saved.parameters}
    yield from _contradict(RESULT, CHECKPOINT, differing(mine, theirs))


def _history(run: FinishedRun) -> Iterator[str]:
    """Compares the three places that hold the history, and its counts with the data's."""
    found = differing_epochs(run.history, run.saved.history)
    yield from _contradict(HISTORY_JSON, CHECKPOINT, iter(found))
    yield from _csv(run)
    data = run.config.data
    for record in run.history:
        mine = {"count": record.count, "val_count": record.val_count}
        theirs = {"count": data.fit.rows, "val_count": data.valid.rows}
        where = f"{HISTORY_JSON}: epoch {record.epoch}"
        yield from _contradict(where, CONFIG, differing(mine, theirs))


def _csv(run: FinishedRun) -> Iterator[str]:
    wanted = history_to_csv(run.history).encode()
    if run.history_csv == wanted:
        return
    mine, theirs = run.history_csv.split(b"\n"), wanted.split(b"\n")
    pairs = zip(mine, theirs, strict=False)
    line = next((at for at, (one, other) in enumerate(pairs, 1) if one != other), None)
    if line is None:
        line = min(len(mine), len(theirs))
    yield f"{HISTORY_CSV}: line {line}: is not what {HISTORY_JSON} says"


def _result(run: FinishedRun) -> Iterator[str]:
    """Compares the result with the history and the recipe."""
    result, epochs = run.result, len(run.history)
    yield from _contradict(RESULT, HISTORY_JSON, differing(result.epochs, epochs, "epochs"))
    if run.history:
        validation = dataclasses.asdict(ValidationRecord.of(run.history[-1]))
        found = differing(dataclasses.asdict(result.validation), validation, "validation")
        yield from _contradict(RESULT, HISTORY_JSON, found)
    planned = run.config.recipe["epochs"]
    if epochs > planned or (epochs < planned and result.stop_reason is None):
        yield (
            f"{RESULT}: stop_reason: {result.stop_reason}, but {CONFIG} says {planned} epochs and "
            f"{HISTORY_JSON} has {epochs}"
        )


def _test(run: FinishedRun) -> Iterator[str]:
    test = run.result.test
    if test is None:
        return
    rows = run.config.data.test.rows
    yield from _contradict(RESULT, CONFIG, differing(test.count, rows, "test.count"))
    right = _right(test.accuracy, test.count)
    if right / test.count != test.accuracy:
        yield f"{RESULT}: test.accuracy: {test.accuracy} of {test.count} images is no whole number"
    elif (interval := wilson_interval(right, test.count)) != test.accuracy_interval_95:
        yield (
            f"{RESULT}: test.accuracy_interval_95: {list(test.accuracy_interval_95)}, but the "
            f"accuracy says {list(interval)}"
        )


def _classes(run: FinishedRun) -> Iterator[str]:
    """Checks the scores of the classes against each other and against the test."""
    classes, test = run.result.classes, run.result.test
    if test is None:
        return
    if tuple(record.name for record in classes) != CLASS_NAMES:
        yield f"{RESULT}: classes: must be {', '.join(CLASS_NAMES)}, in this order"
        return
    faults = [fault for at, record in enumerate(classes) for fault in _class_faults(at, record)]
    yield from faults
    if (count := sum(record.count for record in classes)) != test.count:
        yield f"{RESULT}: classes: have {count} images together, but test.count is {test.count}"
    elif not faults:
        right = sum(_right(record.recall, record.count) for record in classes)
        if right != (wanted := _right(test.accuracy, test.count)):
            yield f"{RESULT}: classes: {right} images are right, but test.accuracy says {wanted}"


def _class_faults(at: int, record: ClassRecord) -> Iterator[str]:
    where = f"{RESULT}: classes[{at}]"
    if (record.recall is None) != (record.count == 0):
        yield f"{where}.recall: {record.recall} of {record.count} images"
        return
    right = _right(record.recall, record.count)
    if record.recall is not None and right / record.count != record.recall:
        yield f"{where}.recall: {record.recall} of {record.count} images is no whole number"
    elif wilson_interval(right, record.count) != record.recall_interval:
        interval = list(wilson_interval(right, record.count))
        yield f"{where}.recall_interval: {list(record.recall_interval)}, not {interval}"


def _predictions(run: FinishedRun) -> Iterator[str]:
    """Checks the predictions against themselves and against what the result says of classes."""
    found = run.predictions
    if found is None:
        return
    wrong = int((found.probabilities.argmax(dim=1) != found.labels).sum())
    if wrong:
        yield f"{PREDICTIONS}: {wrong} labels are not the most probable class"
    mine = {
        name: {
            "count": int((found.targets == label).sum()),
            "right": int((found.correct & (found.targets == label)).sum()),
        }
        for label, name in enumerate(CLASS_NAMES)
    }
    theirs = {
        record.name: {"count": record.count, "right": _right(record.recall, record.count)}
        for record in run.result.classes
    }
    yield from _contradict(PREDICTIONS, RESULT, differing(mine, theirs))


def _right(fraction: float | None, count: int) -> int:
    """Returns how many of `count` images a fraction means."""
    return min(round((fraction or 0) * count), count)  # rounding may exceed a count above 2**53
