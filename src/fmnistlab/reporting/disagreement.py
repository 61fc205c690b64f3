"""The images that runs of one variant recognize and those of another do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from fmnistlab.data.schema import NUM_CLASSES
from fmnistlab.errors import RunFolderError
from fmnistlab.experiments.comparison.runs import ComparedRun
from fmnistlab.experiments.records.config import RunConfig
from fmnistlab.experiments.records.predictions import in_order_of_images, read_predictions
from fmnistlab.experiments.records.reading import read_config
from fmnistlab.shapes import Float, Int64, UInt8

SHOWN: Final = 24
"""Images that are shown of each side."""


@dataclasses.dataclass(frozen=True)
class VariantAnswers:
    """What the runs of a variant say of each image, in an order that all variants share.

    Attributes:
        runs: how many.
        right: share of them that is right, float64 (images,).
        named: how many of them name each class, int64 (images, 10).
    """

    runs: int
    right: Float[np.ndarray, "images"]
    named: Int64[np.ndarray, "images 10"]


@dataclasses.dataclass(frozen=True)
class Answers:
    """What all runs of a comparison say.

    Attributes:
        variants: by name.
        targets: the labels, int64 (images,).
        images: names of the images, uint8 (images, 32).
        config: the settings of one of the runs, which say where the images are.
    """

    variants: Mapping[str, VariantAnswers]
    targets: Int64[np.ndarray, "images"]
    images: UInt8[np.ndarray, "images 32"]
    config: RunConfig


@dataclasses.dataclass(frozen=True)
class Disputed:
    """One image on which two variants differ.

    Attributes:
        row: of `Answers`.
        ahead: how many runs of the variant are right that is better here.
        behind: how many of the other one.
        said: the wrong class that runs of the other one name most often.
    """

    row: int
    ahead: int
    behind: int
    said: int


def read_answers(runs: Sequence[ComparedRun]) -> Answers | None:
    """Returns what the finished runs of a comparison say; None if there are none.

    Args:
        runs: of one comparison, so of one test set.
    """
    variants: dict[str, VariantAnswers] = {}
    targets = images = config = None
    for name in dict.fromkeys(run.variant for run in runs if run.state == "done"):
        found = []
        for run in runs:
            if run.variant == name and run.state == "done":
                try:
                    predictions = read_predictions(run.folder)
                    config = config or read_config(run.folder)
                except RunFolderError:  # it went, or was damaged, since it was judged
                    continue
                order = in_order_of_images(predictions)
                targets = predictions.targets.numpy()[order]
                images = predictions.images.numpy()[order]
                found.append(predictions.labels.numpy()[order])
        if found and targets is not None:
            labels = np.stack(found)
            named = np.stack([(labels == k).sum(axis=0) for k in range(NUM_CLASSES)], axis=1)
            right = (labels == targets).mean(axis=0)
            variants[name] = VariantAnswers(len(labels), right, named.astype(np.int64))
    if not variants or targets is None or images is None or config is None:
        return None
    return Answers(variants, targets, images, config)


def disputed(answers: Answers, one: str, other: str) -> tuple[tuple[Disputed, ...], ...]:
    """Returns the images that one variant gets and the other does not, then the other way round.

    Those come first on which they differ most; of equal ones the order is that of the hashes.

    Args:
        answers: of all runs.
        one: name of the first variant.
        other: name of the second one.

    Returns:
        Two tuples of at most `SHOWN` images each.
    """
    a, b = answers.variants[one], answers.variants[other]
    sides = []
    for ahead, behind in ((a, b), (b, a)):
        lead = ahead.right - behind.right
        order = np.argsort(-lead, kind="stable")[:SHOWN]
        sides.append(
            tuple(
                Disputed(
                    row=row,
                    ahead=int(ahead.named[row, answers.targets[row]]),
                    behind=int(behind.named[row, answers.targets[row]]),
                    said=_most_said(behind.named[row], int(answers.targets[row])),
                )
                for row in order.tolist()
                if lead[row] > 0
            )
        )
    return tuple(sides)


def _most_said(named: Int64[np.ndarray, "10"], target: int) -> int:
    """Returns the class, but the right one, that is named most often."""
    others = named.copy()
    others[target] = -1
    return int(others.argmax())
