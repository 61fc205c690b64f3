"""The audit: everything that can be looked for in a data set, in one call."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from fmnistlab.auditing.confident_learning import label_candidates
from fmnistlab.auditing.drift import drift_between
from fmnistlab.auditing.equal_images import rows_of_equal, rows_of_mirrored
from fmnistlab.auditing.findings import (
    AuditedImage,
    AuditedPart,
    EqualImages,
    LabelCandidate,
    NearPair,
)
from fmnistlab.auditing.judges import Judges, Trainings, chosen_judges
from fmnistlab.auditing.near_images import FARTHEST, NearSearch
from fmnistlab.auditing.places import Places
from fmnistlab.auditing.result import Audit
from fmnistlab.data.content_hash import image_hashes
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.schema import NUM_CLASSES, PIXEL_MAX
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import number
from fmnistlab.foundation.logger import get_logger
from fmnistlab.shapes import UInt8
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe

NEAR: Final = 10.0
"""How far apart near duplicates may be, in grey levels, if nothing else is said."""

MOST_PAIRS: Final = 100_000
"""Near duplicates that are kept."""

_AT_ONCE: Final = 4_096

_logger = get_logger(__name__)


def audit(
    *parts: FashionMNISTCSV,
    near: float | None = NEAR,
    model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    recipe: Recipe = CLASSIC,
    epochs: int | None = None,
    folds: int = 5,
    seeds: int = 3,
    device: str | torch.device = "auto",
) -> Audit:
    """Looks for what may be wrong with a data set: doubles, leaks, drift, labels in doubt.

    Equal and mirrored images are told by SHA-256 of their pixels, within parts and across them.
    Near duplicates are found by an exact search, which misses none. Labels are checked only if
    `model` is given, since that takes trainings, or finished runs.

    Args:
        *parts: one or several data sets, such as training and test set.
        near: how far apart near duplicates may be: root mean square of the differences of their
            pixels, in grey levels, 0 to 255. None does not look for them.
        model: who tells which labels are in doubt: the name of a model, which is then trained on
            all parts together so that each image is judged by models that never saw it; or run
            folders, or folders of such, whose predictions of their own test sets are taken, for the
            images that are in these. None does not check labels.
        recipe: how to train that model.
        epochs: how many epochs; the recipe's number if None.
        folds: trainings of each seed, each of which holds another part of the images out.
        seeds: how often this is repeated; the probabilities are averaged.
        device: where to train.

    Raises:
        ConfigurationError: there is no data set, a number is out of range, or `model` is none.
        RunFolderError: the predictions of a run folder are missing or damaged.
        UnknownModelError: no registered model has the name.
    """
    if not parts:
        raise ConfigurationError("There is nothing to audit: give at least one data set.")
    if near is not None:
        near = number("near", near, least=0, most=FARTHEST)
    # Whoever waits for hours wants to hear at once that a setting is impossible.
    judges = chosen_judges(
        model, Trainings("", recipe, epochs, folds=folds, seeds=seeds, device=device)
    )
    named = _named(parts)
    joined = named[0] if len(named) == 1 else _joined(named)
    images = joined.data.numpy()
    places = Places(named, image_hashes(images))
    equal = rows_of_equal(places.names)
    pairs, complete = _near_pairs(images, places, equal, near)
    notes = _notes_on_pairs(near, complete, len(pairs))
    result = Audit(
        parts=tuple(map(_described, named)),
        equal=_groups(places, equal, mirrored=False),
        mirrored=_groups(places, rows_of_mirrored(images, places.names), mirrored=True),
        near=pairs,
        near_distance=complete,
        constant=_constant(images, places),
        drift=tuple(
            drift_between(one, other) for at, one in enumerate(named) for other in named[at + 1 :]
        ),
        candidates=None,
        checked_by=None,
        checked=0,
        notes=notes,
        data=tuple(named),
    )
    return result if judges is None else _with_labels(result, judges, joined, places)


def _with_labels(result: Audit, judges: Judges, joined: FashionMNISTCSV, places: Places) -> Audit:
    """Returns an audit with the labels in doubt, or with a note why there are none."""
    labels = joined.targets.numpy()
    reason = judges.why_not(labels)
    if reason is not None:
        note = f"labels were not checked: {reason}."
        return dataclasses.replace(result, notes=(*result.notes, note))
    chances = judges.probabilities(joined, places.names, np.concatenate(result.groups))
    known = np.flatnonzero(np.isfinite(chances).all(axis=1))
    rows = known[label_candidates(labels[known], chances[known])]
    candidates = tuple(
        LabelCandidate(
            image=places[row],
            suggested=int(chances[row].argmax()),
            given_probability=float(chances[row, labels[row]]),
            suggested_probability=float(chances[row].max()),
        )
        for row in rows.tolist()
    )
    notes = result.notes
    if len(known) < len(labels):
        unknown = len(labels) - len(known)
        notes = (
            *notes,
            f"labels of {unknown:,} images were not checked: they are in the test set of none of "
            f"{judges.words}. The name of a model in the place of runs checks all.",
        )
    return dataclasses.replace(
        result,
        candidates=candidates,
        checked_by=judges.words,
        checked=len(known),
        notes=notes,
    )


def _named(parts: Sequence[FashionMNISTCSV]) -> list[FashionMNISTCSV]:
    """Returns the parts, each with a name that no other has."""
    named: list[FashionMNISTCSV] = []
    for part in parts:
        name, number_of_name = part.name, 1
        while any(other.name == name for other in named):
            number_of_name += 1
            name = f"{part.name} ({number_of_name})"
        own = copy.copy(part)  # the caller's keeps its name
        own.name = name
        named.append(own)
    return named


def _joined(parts: Sequence[FashionMNISTCSV]) -> FashionMNISTCSV:
    """Returns all images and labels as one data set, without transforms."""
    return FashionMNISTCSV.from_arrays(
        np.concatenate([part.data.numpy() for part in parts]),
        np.concatenate([part.targets.numpy() for part in parts]),
        name=" and ".join(part.name for part in parts),
    )


def _described(part: FashionMNISTCSV) -> AuditedPart:
    # All pixels are 0 to 255, so their counts tell everything, exactly.
    counts = np.zeros(PIXEL_MAX + 1, np.int64)
    images = part.data.numpy()
    for at in range(0, len(images), _AT_ONCE):
        counts += np.bincount(images[at : at + _AT_ONCE].reshape(-1), minlength=PIXEL_MAX + 1)
    levels = np.arange(PIXEL_MAX + 1) / PIXEL_MAX
    mean = float(counts @ levels) / counts.sum()
    variance = float(counts @ (levels - mean) ** 2) / counts.sum()
    classes = np.bincount(part.targets.numpy(), minlength=NUM_CLASSES)
    return AuditedPart(
        name=part.name,
        images=len(part),
        classes=tuple(classes.tolist()),
        pixel_mean=mean,
        pixel_std=math.sqrt(variance),
        fingerprint=part.fingerprint,
    )


def _groups(
    places: Places, groups: Sequence[tuple[int, ...]], *, mirrored: bool
) -> tuple[EqualImages, ...]:
    return tuple(EqualImages(tuple(places[row] for row in rows), mirrored) for rows in groups)


def _constant(images: UInt8[np.ndarray, "n 28 28"], places: Places) -> tuple[AuditedImage, ...]:
    flat = images.reshape(len(images), -1)
    rows = np.flatnonzero(flat.min(axis=1) == flat.max(axis=1))
    return tuple(places[row] for row in rows.tolist())


def _near_pairs(
    images: UInt8[np.ndarray, "n 28 28"],
    places: Places,
    equal: Sequence[tuple[int, ...]],
    near: float | None,
) -> tuple[tuple[NearPair, ...], float | None]:
    """Returns the pairs of different images that are near, and up to which distance all are."""
    if near is None:
        return (), None
    repeated = [row for rows in equal for row in rows[1:]]
    rows = np.setdiff1d(np.arange(len(images)), repeated) if repeated else np.arange(len(images))
    search = NearSearch(images[rows] if repeated else images, near, most=MOST_PAIRS)
    _logger.info(
        "near duplicates: %s of up to 1,024 by 1,024 images, about %.0f s and %s MB",
        f"{search.products:,} comparison{'' if search.products == 1 else 's'}",
        search.seconds(),
        f"{search.memory / 1e6:,.0f}",
    )
    found = search.find()
    pairs = tuple(
        NearPair(places[one], places[other], distance)
        for (one, other), distance in zip(
            rows[found.pairs].tolist(), found.distances.tolist(), strict=True
        )
    )
    return pairs, found.complete_to


def _notes_on_pairs(near: float | None, complete: float | None, count: int) -> tuple[str, ...]:
    if near is None or complete is None or complete >= near:
        return ()
    return (
        f"there are too many near duplicates to tell them all: the nearest {count:,} are told, "
        f"which are all below {complete:.2f} grey levels.",
    )
