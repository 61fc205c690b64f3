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

import numpy as np

from fmnistlab.auditing import NearSearch, equal_rows, label_candidates, mirrored_rows, out_of_fold
from fmnistlab.auditing.examination import NEAR
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.foundation.tables import Cell, Column, markdown_table

IMAGES = 10_000
PLANTED = 200
RATES = (0.01, 0.05, 0.1)


def same(images: np.ndarray) -> np.ndarray:
    """Changes nothing."""
    return images.copy()


def mirrored(images: np.ndarray) -> np.ndarray:
    """Reflects from left to right."""
    return images[:, :, ::-1].copy()


def noisy(images: np.ndarray) -> np.ndarray:
    """Adds -4 to 4 to each pixel."""
    noise = np.random.default_rng(1).integers(-4, 5, images.shape)
    return np.clip(images.astype(int) + noise, 0, 255).astype(np.uint8)


def stained(images: np.ndarray) -> np.ndarray:
    """Makes 3 by 3 pixels somewhere at least as bright as 90."""
    random, changed = np.random.default_rng(1), images.copy()
    for image in changed:
        top, left = random.integers(0, 25, 2)
        square = image[top : top + 3, left : left + 3]
        square[:] = np.maximum(square, 90)
    return changed


def brighter(images: np.ndarray) -> np.ndarray:
    """Makes all pixels brighter by 3 %."""
    return np.rint(np.minimum(images * 1.03, 255)).astype(np.uint8)


def moved(images: np.ndarray) -> np.ndarray:
    """Moves by one pixel to the right."""
    return np.roll(images, 1, axis=2)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "equal": same,
    "mirrored": mirrored,
    "noise of -4 to 4 on each pixel": noisy,
    "3 x 3 pixels at least 90": stained,
    "3 % brighter": brighter,
    "moved by one pixel": moved,
}


def doubles(images: np.ndarray) -> list[list[Cell]]:
    """Returns a row of the table for each change: pairs planted, recall, precision."""
    random = np.random.default_rng(0)
    rows: list[list[Cell]] = []
    natural = _pairs(images)
    for name, change in CHANGES.items():
        chosen = random.permutation(len(images))[: 2 * PLANTED]
        sources, places = chosen[:PLANTED], chosen[PLANTED:]
        planted = images.copy()
        planted[places] = change(images[sources])
        ends = zip(sources.tolist(), places.tolist(), strict=True)
        wanted = {(min(pair), max(pair)) for pair in ends}
        # Pairs of real images that are near each other are no mistakes of the search.
        found = _pairs(planted) - natural
        right = len(wanted & found)
        rows.append([name, len(wanted), right / len(wanted), right / len(found) if found else None])
    return rows


def _pairs(images: np.ndarray) -> set[tuple[int, int]]:
    groups = [*equal_rows(images), *mirrored_rows(images)]
    pairs = {(rows[0], other) for rows in groups for other in rows[1:]}
    near = NearSearch(images, NEAR).find().pairs
    return pairs | {(int(one), int(other)) for one, other in near}


def labels(data: FashionMNISTCSV, options: argparse.Namespace) -> list[list[Cell]]:
    """Returns a row of the table for each share of flipped labels."""
    oracle = importlib.util.find_spec("cleanlab") is not None
    rows: list[list[Cell]] = []
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
    print(markdown_table(["planted", "pairs", *fraction], doubles(data.data.numpy())), flush=True)
    columns: list[str | Column] = ["flipped", "by", "labels", "candidates", *reversed(fraction)]
    columns += [Column("found among as many first", ".3f"), Column("seconds", ".0f")]
    print()
    print(markdown_table(columns, labels(data, options)))


if __name__ == "__main__":
    main()
