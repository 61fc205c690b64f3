"""A small CSV file to be broken: its rows as numbers, as cells and as text."""

from __future__ import annotations

import numpy as np

from fmnistlab.data.csv_file import FashionTable

NAMES = ("label", *(f"pixel{number}" for number in range(1, 785)))


def make_rows(count: int, seed: int) -> np.ndarray:
    """Returns labels and pixels, uint8 (count, 785); the last pixel of all has three digits."""
    numbers = np.random.default_rng(seed)
    rows = numbers.integers(0, 256, (count, 785), dtype=np.uint8)
    rows[:, 0] = (np.arange(count) + seed) % 10
    rows[-1, -1] = numbers.integers(100, 256)
    return rows


def cells_of(rows: np.ndarray) -> list[list[str]]:
    """Returns the cells of all lines, the header first."""
    return [[*NAMES], *([str(value) for value in row] for row in rows.tolist())]


def text_of(lines: list[list[str]], between: str = ",", end: str = "\n") -> str:
    """Returns the text of the file."""
    return "".join(between.join(cells) + end for cells in lines)


def table_of(rows: np.ndarray) -> FashionTable:
    """Returns what a reader must find."""
    return FashionTable(rows[:, 1:].reshape(-1, 28, 28), rows[:, 0])


def same(one: FashionTable, other: FashionTable) -> bool:
    """Whether two tables hold the same rows in the same order."""
    images = np.array_equal(one.images, other.images)
    return images and np.array_equal(one.labels, other.labels)


def told(found: FashionTable | Exception) -> str:
    """Returns what a reader gave, in a few words."""
    if isinstance(found, FashionTable):
        pixels = int(found.images.sum())
        return f"{len(found.labels)} rows, labels {found.labels.tolist()}, sum of pixels {pixels}"
    return repr(found)
