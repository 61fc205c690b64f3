"""Which rows go into which part, if some of them must stay together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Float, Int64


def rows_kept_together(
    labels: Int64[np.ndarray, "n"],
    groups: Int64[np.ndarray, "n"],
    shares: Sequence[float],
    seed: int,
) -> tuple[Int64[np.ndarray, "_"], ...]:
    """Returns the rows of each part, shuffled; each row is in one, and no group is in two.

    Groups of several rows are placed first, the largest first, each into the part that lacks most
    of its classes. Rows that are alone then fill up every class.

    Args:
        labels: the class of each row, int64 (n,), at least one.
        groups: a number for each row, int64 (n,); rows of equal numbers stay together.
        shares: part of all rows that each part is to have; they sum to 1.
        seed: 0 to 2**32 - 1.

    Returns:
        int64 arrays, one for each share; a part is empty if groups are so large that nothing is
        left for it.
    """
    random = np.random.default_rng(seed)
    classes, kinds = np.unique(labels, return_inverse=True)
    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    wanted = np.outer(shares, np.bincount(kinds, minlength=len(classes)))
    filled = np.zeros_like(wanted)
    part_of = np.full(len(labels), -1, dtype=np.int64)
    for rows in _several(numbers, sizes, random):
        counts = np.bincount(kinds[rows], minlength=len(classes))
        part = _neediest(filled, wanted, counts)
        part_of[rows] = part
        filled[part] += counts
    for kind in range(len(classes)):
        alone = random.permutation(np.flatnonzero((kinds == kind) & (part_of < 0)))
        ends = np.cumsum(_whole_shares(wanted[:, kind] - filled[:, kind], len(alone), random))
        for part, rows in enumerate(np.split(alone, ends[:-1])):
            part_of[rows] = part
    return tuple(random.permutation(np.flatnonzero(part_of == part)) for part in range(len(shares)))


def checked_groups(
    groups: Sequence[int] | np.ndarray | Tensor, count: int, *, name: str
) -> Int64[np.ndarray, "n"]:
    """Returns the groups of `count` rows as int64.

    Raises:
        ConfigurationError: there is not one integer for each row.
    """
    numbers = groups.cpu().numpy() if isinstance(groups, Tensor) else np.asarray(groups)
    if numbers.shape != (count,) or numbers.dtype.kind not in "iu":
        raise ConfigurationError(
            f"{name}: keep_together is {numbers.dtype} of shape {numbers.shape}; give one integer "
            f"for each of the {count:,} items, equal ones for items that belong together."
        )
    return numbers.astype(np.int64)


def two_parts(
    labels: Int64[np.ndarray, "n"],
    groups: Int64[np.ndarray, "n"],
    fraction: float,
    seed: int,
    *,
    name: str,
) -> tuple[Int64[np.ndarray, "first"], Int64[np.ndarray, "second"]]:
    """Returns the rows of both parts, shuffled; each row is in one, and no group is in both.

    Args:
        labels: the class of each row, int64 (n,), at least one.
        groups: a number for each row, int64 (n,); rows of equal numbers stay together.
        fraction: part of the rows that goes into the second, above 0 and below 1.
        seed: 0 to 2**32 - 1.
        name: of the data set, for the message.

    Raises:
        ConfigurationError: a part would be empty.
    """
    first, second = rows_kept_together(labels, groups, [1 - fraction, fraction], seed)
    if not (len(first) and len(second)):
        largest = int(np.unique(groups, return_counts=True)[1].max())
        raise ConfigurationError(
            f"{name}: {len(labels):,} items, of which up to {largest:,} must stay together, cannot "
            f"be split with valid_fraction={fraction!r}: a part would be empty. Give smaller "
            "groups, or another fraction."
        )
    return first, second


def _several(
    numbers: Int64[np.ndarray, "n"], sizes: Int64[np.ndarray, "groups"], random: np.random.Generator
) -> list[Int64[np.ndarray, "_"]]:
    """Returns the rows of each group that has several, the largest first, equal ones by lot."""
    rows = np.flatnonzero(sizes[numbers] > 1)
    rows = rows[np.argsort(numbers[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(numbers[rows])) + 1
    found = np.split(rows, starts) if len(rows) else []
    order = random.permutation(len(found))
    return sorted((found[place] for place in order), key=len, reverse=True)


def _neediest(
    filled: Float[np.ndarray, "parts classes"],
    wanted: Float[np.ndarray, "parts classes"],
    counts: Int64[np.ndarray, "classes"],
) -> int:
    """Returns the part in which rows of these classes lead farthest towards what is wanted."""
    missing = (wanted - filled) / wanted
    return int((missing @ counts).argmax())


def _whole_shares(
    missing: Float[np.ndarray, "parts"], total: int, random: np.random.Generator
) -> Int64[np.ndarray, "parts"]:
    """Returns how many of `total` rows each part gets: in proportion to what it lacks, in whole."""
    lacks = np.maximum(missing, 0)
    exact = lacks * (total / lacks.sum()) if total else np.zeros_like(lacks)
    whole: np.ndarray = np.floor(exact).astype(np.int64)
    # Of those with equal remainders lots are drawn, or the first part would gain in each class.
    order = np.lexsort([random.random(len(whole)), -(exact - whole)])
    whole[order[: total - int(whole.sum())]] += 1
    return whole
