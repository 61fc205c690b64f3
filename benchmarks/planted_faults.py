"""What an audit finds of faults that were planted in 10,000 real images, and what cleanlab finds.

    python -m benchmarks.planted_faults [--epochs 10] [--folds 5] [--seeds 3]

Labels are judged by both from the same out-of-fold predictions. Without cleanlab its columns are
left out; it needs nothing that fmnistlab does not have but termcolor.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fmnistlab.auditing import NearSearch, equal_rows, label_candidates, mirrored_rows, out_of_fold
from fmnistlab.auditing.examination import NEAR
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.foundation.tables import Column, markdown_table

IMAGES = 10_000
PLANTED = 200
RATES = (0.01, 0.05, 0.1)


class Change(NamedTuple):
    """What is done to a copy of an image."""

    name: str
    make: Callable[[np.ndarray, np.random.Generator], np.ndarray]


def noisy(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Adds -4 to 4 to each pixel."""
    noise = random.integers(-4, 5, images.shape)
    return np.clip(images.astype(int) + noise, 0, 255).astype(np.uint8)


def stained(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Paints a white square of 3 by 3 pixels over what is black or dark."""
    changed = images.copy()
    for image in changed:
        top, left = random.integers(0, 25, 2)
        image[top : top + 3, left : left + 3] = np.maximum(
            image[top : top + 3, left : left + 3], 90
        )
    return changed


CHANGES = (
    Change("equal", lambda images, random: images.copy()),
    Change("mirrored", lambda images, random: images[:, :, ::-1].copy()),
    Change("noise of -4 to 4 on each pixel", noisy),
    Change("3 x 3 pixels at least 90", stained),
    Change(
        "3 % brighter",
        lambda images, random: np.rint(np.minimum(images * 1.03, 255)).astype(np.uint8),
    ),
    Change("moved by one pixel", lambda images, random: np.roll(images, 1, axis=2)),
)


def doubles(images: np.ndarray) -> list[list[object]]:
    """Returns a row of the table for each change: planted, found, of the wrong kind, precision."""
    random = np.random.default_rng(0)
    rows: list[list[object]] = []
    natural = _pairs(images)
    for change in CHANGES:
        chosen = random.permutation(len(images))[: 2 * PLANTED]
        sources, places = chosen[:PLANTED], chosen[PLANTED:]
        planted = images.copy()
        planted[places] = change.make(images[sources], random)
        wanted = {
            (min(pair), max(pair)) for pair in zip(sources.tolist(), places.tolist(), strict=True)
        }
        found = _pairs(planted)
        # Pairs that the real images have among themselves are there with and without the planted.
        gone = {*places.tolist()}
        own = {pair for pair in natural if not {*pair} & gone}
        rows.append(
            [
                change.name,
                len(wanted),
                len(wanted & found) / len(wanted),
                len(wanted & found) / max(1, len(found - own)),
            ]
        )
    return rows


def _pairs(images: np.ndarray) -> set[tuple[int, int]]:
    groups = [*equal_rows(images), *mirrored_rows(images)]
    pairs = {(rows[0], other) for rows in groups for other in rows[1:]}
    near = NearSearch(images, NEAR).find().pairs
    return pairs | {(int(one), int(other)) for one, other in near}


def labels(data: FashionMNISTCSV, options: argparse.Namespace) -> list[list[object]]:
    """Returns a row of the table for each share of flipped labels."""
    oracle = importlib.util.find_spec("cleanlab") is not None
    rows: list[list[object]] = []
    for rate in RATES:
        random = np.random.default_rng(round(1000 * rate))
        true = data.targets.numpy()
        flipped = random.permutation(len(true))[: round(rate * len(true))]
        given = true.copy()
        given[flipped] = (given[flipped] + random.integers(1, 10, len(flipped))) % 10
        noisy_data = FashionMNISTCSV.from_arrays(data.data, given)
        began = time.perf_counter()
        chances = out_of_fold(
            noisy_data,
            "cnn",
            epochs=options.epochs,
            folds=options.folds,
            seeds=options.seeds,
            device="cpu",
        )
        seconds = time.perf_counter() - began
        ways = {"audit": label_candidates(given, chances)}
        if oracle:
            from cleanlab.filter import find_label_issues  # noqa: PLC0415 - need not be installed

            for filter_by in ("confident_learning", "prune_by_noise_rate"):
                ways[f"cleanlab, {filter_by}"] = find_label_issues(
                    given,
                    chances,
                    filter_by=filter_by,
                    return_indices_ranked_by="self_confidence",
                    n_jobs=1,
                )
        for way, found in ways.items():
            hits = np.isin(found, flipped)
            first = np.isin(found[: len(flipped)], flipped)
            rows.append(
                [
                    f"{rate:.0%}",
                    way,
                    len(flipped),
                    len(found),
                    float(hits.mean()),
                    float(hits.sum() / len(flipped)),
                    float(first.sum() / len(flipped)),
                    seconds,
                ]
            )
    return rows


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data = FashionMNISTCSV.bundled("train").select(range(IMAGES))
    fraction = [Column("recall", ".3f"), Column("precision", ".3f")]
    print(markdown_table(["planted", "pairs", *fraction], doubles(data.data.numpy())), flush=True)  # type: ignore[arg-type]
    columns = ["flipped", "by", "labels", "candidates", *reversed(fraction)]
    columns += [Column("found among as many first", ".3f"), Column("seconds", ".0f")]
    print()
    print(markdown_table(columns, labels(data, options)))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
