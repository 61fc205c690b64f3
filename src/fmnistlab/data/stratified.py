"""Which rows of a data set go into which of two parts, with the same mix of classes in both.

The rows are those of scikit-learn, which tests compare with; importing it takes longer than
everything else before a first epoch.
"""

from __future__ import annotations

import math

import numpy as np

from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Int64


def stratified_rows(
    labels: Int64[np.ndarray, "n"], fraction: float, seed: int, *, name: str
) -> tuple[Int64[np.ndarray, "first"], Int64[np.ndarray, "second"]]:
    """Returns the rows of both parts, shuffled; each row is in one of them.

    Args:
        labels: the class of each row, int64 (n,), at least one.
        fraction: part of the rows that goes into the second, above 0 and below 1, rounded up.
        seed: 0 to 2**32 - 1.
        name: of the data set, for the message.

    Raises:
        ConfigurationError: a class has a single row, or a part would have fewer rows than there
            are classes.
    """
    rows_by_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    counts = np.array([len(rows) for rows in rows_by_class])
    second = math.ceil(fraction * len(labels))
    first = len(labels) - second
    if counts.min() < 2 or min(first, second) < len(counts):
        raise ConfigurationError(
            f"{name}: {len(labels)} items of {len(counts)} classes, the rarest with "
            f"{counts.min()}, cannot be split with valid_fraction={fraction!r}. Each class needs "
            "two items, and each part as many items as there are classes."
        )
    # The order of all draws is that of scikit-learn, or the rows would be others.
    random = np.random.RandomState(seed)
    in_first = _shares(counts, first, random)
    _shares(counts - in_first, second, random)  # all that is left, but lots may be drawn for it
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for rows, share in zip(rows_by_class, in_first, strict=True):
        shuffled = rows[random.permutation(len(rows))]
        parts[0].append(shuffled[:share])
        parts[1].append(shuffled[share:])
    one, other = (random.permutation(np.concatenate(part)) for part in parts)
    return one, other


def _shares(
    counts: Int64[np.ndarray, "classes"], total: int, random: np.random.RandomState
) -> Int64[np.ndarray, "classes"]:
    """Returns how many of each class are in a part of `total` rows.

    Each class gets the whole number below its exact share. Rows that are then missing are of the
    classes with the largest fractions left over, and lots are drawn between equal ones.
    """
    exact = counts / counts.sum() * total
    shares: np.ndarray = np.floor(exact).astype(np.int64)
    left_over = exact - shares
    missing = int(total - shares.sum())
    for largest in np.unique(left_over)[::-1]:
        if missing == 0:
            break
        equal = np.flatnonzero(left_over == largest)
        drawn = random.choice(equal, size=min(len(equal), missing), replace=False)
        shares[drawn] += 1
        missing -= len(drawn)
    return shares
