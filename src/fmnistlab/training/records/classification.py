"""Where a model is right and wrong: by class, by pair of classes, by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from fmnistlab.data.schema import CLASS_NAMES, NUM_CLASSES
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation import html
from fmnistlab.foundation.tables import Cell, Column, format_table
from fmnistlab.shapes import Int64
from fmnistlab.training.records.metrics import wilson_interval
from fmnistlab.training.records.predictions import Predictions


@dataclass(frozen=True)
class ClassScore:
    """How well one class is recognized; all scores are fractions, nan where nothing defines them.

    Attributes:
        name: name of the class.
        precision: of the images predicted as this class, those that are of it.
        recall: of the images of this class, those predicted as it.
        f1: harmonic mean of precision and recall.
        count: images of this class.
        recall_interval: ends of the 95 % Wilson score interval of the recall; (0.0, 1.0) for a
            class without images.
    """

    name: str
    precision: float
    recall: float
    f1: float
    count: int
    recall_interval: tuple[float, float]


_COLUMNS: Final = ("class", "precision", "recall", "95 % interval", "f1", Column("images", ",d"))


class ClassScores(tuple[ClassScore, ...]):
    """The scores of several classes, a tuple in the order of the labels.

    Its `str` is a text table with one line for each class; a notebook shows the same table.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return format_table(_COLUMNS, map(_cells, self))

    def _repr_html_(self) -> str:
        return html.table(_COLUMNS, map(_cells, self), caption="Scores by class")


def _cells(score: ClassScore) -> tuple[Cell, ...]:
    low, high = score.recall_interval
    interval = f"{low:.4f} to {high:.4f}"
    return score.name, score.precision, score.recall, interval, score.f1, score.count


@dataclass(frozen=True)
class Confusion:
    """How often one class is taken for another.

    Attributes:
        true: name of the class the images are of.
        predicted: name of the class they were taken for.
        count: number of such images.
        fraction: share of the images of the true class, 0 to 1.
    """

    true: str
    predicted: str
    count: int
    fraction: float


def confusion_matrix(
    targets: Int64[Tensor, "rows"], predictions: Predictions
) -> Int64[np.ndarray, "10 10"]:
    """Counts images by true and predicted class.

    Args:
        targets: the right labels, int64, 0 to 9.
        predictions: what the model said about the same images.

    Returns:
        Int64 (10, 10): row true class, column predicted class, as in scikit-learn.

    Raises:
        ConfigurationError: there are more or fewer targets than predictions, or a label is not
            from 0 to 9.
    """
    true, predicted = _label_arrays(targets, predictions)
    pairs = np.bincount(true * NUM_CLASSES + predicted, minlength=NUM_CLASSES**2)
    return pairs.reshape(NUM_CLASSES, NUM_CLASSES).astype(np.int64)


def class_scores(targets: Int64[Tensor, "rows"], predictions: Predictions) -> ClassScores:
    """Returns precision, recall, F1 and an interval of the recall for each of the ten classes.

    Args:
        targets: the right labels, int64, 0 to 9.
        predictions: what the model said about the same images.

    Returns:
        One score for each class, in the order of the labels; printed, it is a table.

    Raises:
        ConfigurationError: there are more or fewer targets than predictions, or a label is not
            from 0 to 9.
    """
    matrix = confusion_matrix(targets, predictions)
    right, counts, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore"):  # 0 / 0 is nan
        precision, recall, f1 = right / predicted, right / counts, 2 * right / (counts + predicted)
    return ClassScores(
        ClassScore(
            name=CLASS_NAMES[label],
            precision=float(precision[label]),
            recall=float(recall[label]),
            f1=float(f1[label]),
            count=int(counts[label]),
            recall_interval=wilson_interval(int(right[label]), int(counts[label])),
        )
        for label in range(NUM_CLASSES)
    )


def most_confused(matrix: Int64[np.ndarray, "10 10"], n: int = 5) -> tuple[Confusion, ...]:
    """Returns the `n` most frequent mistakes, most frequent first.

    Shirt taken for coat and coat taken for shirt are two mistakes. Of equally frequent ones the
    lower true label comes first, then the lower predicted label.

    Args:
        matrix: what `confusion_matrix` returned.
        n: how many to return at most, 0 or more; pairs that never happened are left out.

    Raises:
        ConfigurationError: `n` is negative.
    """
    _check_number(n)
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:n]
    pairs = [divmod(int(cell), NUM_CLASSES) for cell in order]
    return tuple(
        Confusion(
            true=CLASS_NAMES[true],
            predicted=CLASS_NAMES[predicted],
            count=int(wrong[true, predicted]),
            fraction=float(wrong[true, predicted] / matrix[true].sum()),
        )
        for true, predicted in pairs
        if wrong[true, predicted] > 0
    )


def worst_mistakes(
    targets: Int64[Tensor, "rows"], predictions: Predictions, n: int = 12
) -> Int64[Tensor, "mistakes"]:
    """Returns which images the model got wrong while being most sure of it.

    Args:
        targets: the right labels, int64, 0 to 9.
        predictions: what the model said about the same images.
        n: how many to return at most, 0 or more.

    Returns:
        Row numbers, int64, on the CPU: the most probable wrong class first, of equals the lower
        row number.

    Raises:
        ConfigurationError: `n` is negative, there are more or fewer targets than predictions, or
            a label is not from 0 to 9.
    """
    _check_number(n)
    true, predicted = _label_arrays(targets, predictions)
    wrong = torch.from_numpy(np.flatnonzero(true != predicted))
    confidence = predictions.confidence.detach().cpu()[wrong]
    return wrong[confidence.argsort(descending=True, stable=True)][:n]


def _label_arrays(
    targets: Int64[Tensor, "rows"], predictions: Predictions
) -> tuple[Int64[np.ndarray, "rows"], Int64[np.ndarray, "rows"]]:
    """Returns true and predicted labels, each from 0 to 9."""
    if len(targets) != len(predictions):
        raise ConfigurationError(
            f"there are {len(targets)} targets but {len(predictions)} predictions; both must be "
            "of the same images in the same order."
        )
    pair = targets.detach().cpu().numpy(), predictions.labels.detach().cpu().numpy()
    for name, labels in zip(("targets", "predicted labels"), pair, strict=True):
        outside = labels[(labels < 0) | (labels >= NUM_CLASSES)]
        if outside.size:
            raise ConfigurationError(f"{name} must be from 0 to 9; one is {outside[0]}.")
    return pair


def _check_number(n: int) -> None:
    if n < 0:
        raise ConfigurationError(f"n counts things to return and cannot be negative: {n}.")
