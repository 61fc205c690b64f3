"""Pairs of images that are nearly the same: an exact search, which misses none.

Distances after an orthonormal projection are never larger than before it. So a projection to few
numbers rules out nearly all pairs; what is left is measured pixel by pixel, in whole numbers.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from typing import Final, Never

import numpy as np
from tqdm.auto import tqdm

from fmnistlab.data.schema import PIXELS
from fmnistlab.foundation.checks import number, whole_number
from fmnistlab.shapes import Float, Int64, UInt8
from fmnistlab.training.callbacks.progress import IN_NOTEBOOK

_COMPONENTS: Final = 64
_SAMPLE: Final = 1_000
_BLOCK: Final = 1_024
_MEASURED: Final = 4_096
"""Pairs that are measured at once."""

FARTHEST: Final = 255.0
"""Distance between a black image and a white one."""


@dataclasses.dataclass(frozen=True, eq=False)
class NearRows:
    """Pairs of images, the nearest first.

    Attributes:
        pairs: two rows each, the smaller first, int64 (pairs, 2).
        distances: root mean square of the differences of their pixels, float64 (pairs,), 0 to 255.
        complete_to: no pair that is this near or nearer is missing.
    """

    pairs: Int64[np.ndarray, "pairs 2"]
    distances: Float[np.ndarray, "pairs"]
    complete_to: float


class NearSearch:
    """A search for pairs of images; what it will cost is known before it is made.

    Args:
        images: pixels 0 to 255, uint8 (rows, 28, 28), at least one.
        distance: how far apart two images may be: root mean square of the differences of their
            pixels, in grey levels, 0 to 255.
        most: pairs to be returned at most. Where there are more, the nearest are kept, and
            `NearRows.complete_to` tells up to which distance none is missing.

    Attributes:
        products: matrix products that it takes, each of up to 1,024 by 1,024 images.
        memory: bytes that it takes beside the images, at most.

    Raises:
        ConfigurationError: a number is out of range.
    """

    def __init__(
        self, images: UInt8[np.ndarray, "rows 28 28"], distance: float, *, most: int = 100_000
    ) -> None:
        self._pixels = images.reshape(-1, PIXELS)
        self._distance = number("distance", distance, least=0, most=FARTHEST)
        self._most = whole_number("most", most)
        self._limit = int(self._distance**2 * PIXELS + 1e-6)
        self._projected = _projected(self._pixels)
        self.products: int = sum(len(others) for _, others in self._blocks())
        rows = 2 * self._projected.vectors.nbytes
        blocks = _BLOCK * _BLOCK * 5 + 3 * _MEASURED * PIXELS * 4
        self.memory: int = rows + blocks + 6 * self._most * 24

    def seconds(self) -> float:
        """Returns about how long it will take, from the time of one product."""
        began = time.perf_counter()
        self._projected.near(0, 0, self._limit)
        return (time.perf_counter() - began) * self.products

    def find(self) -> NearRows:
        """Returns the pairs; shows a progress bar on a terminal and in a notebook."""
        found = _Nearest(self._limit, self._most)
        bar: tqdm[Never] = tqdm(
            total=self.products,
            unit="block",
            desc="near duplicates",
            file=sys.stderr,
            disable=False if IN_NOTEBOOK else None,
            dynamic_ncols=True,
            leave=False,
        )
        with bar:
            for start, others in self._blocks():
                for other in others.tolist():
                    candidates = self._projected.near(start, other, found.limit)
                    for at in range(0, len(candidates), _MEASURED):
                        pairs = candidates[at : at + _MEASURED]
                        found.add(pairs, _squared(self._pixels, pairs))
                    bar.update()
        pairs, squared = found.sorted()
        complete = float(np.sqrt((found.limit + 1) / PIXELS)) if found.full else self._distance
        return NearRows(pairs, np.sqrt(squared / PIXELS), complete)

    def _blocks(self) -> Iterator[tuple[int, Int64[np.ndarray, "blocks"]]]:
        """Yields the start of each block with the starts of those that may have rows near its own.

        Rows are sorted by the first number of the projection, so all others are too far away.
        """
        first = self._projected.vectors[:, 0].astype(np.float64)
        reach = np.sqrt(self._limit + self._projected.rounding)
        starts = np.arange(0, len(first), _BLOCK)
        for start in starts.tolist():
            last = first[min(start + _BLOCK, len(first)) - 1]
            others = starts[starts >= start]
            yield start, others[first[others] <= last + reach]


class _Nearest:
    """The nearest pairs so far, never more than twice as many as are wanted, and a few.

    Attributes:
        limit: squared distance up to which none is missing.
        full: whether pairs had to be left out.
    """

    def __init__(self, limit: int, most: int) -> None:
        self.limit = limit
        self.full = False
        self._most = most
        self._pairs = [np.empty((0, 2), np.int64)]
        self._squared = [np.empty(0, np.int64)]
        self._count = 0

    def add(self, pairs: Int64[np.ndarray, "pairs 2"], squared: Int64[np.ndarray, "pairs"]) -> None:
        near = squared <= self.limit
        self._pairs.append(pairs[near])
        self._squared.append(squared[near])
        self._count += int(near.sum())
        if self._count > 2 * self._most:
            self._reduce()

    def sorted(self) -> tuple[Int64[np.ndarray, "pairs 2"], Int64[np.ndarray, "pairs"]]:
        self._reduce()
        return self._pairs[0], self._squared[0]

    def _reduce(self) -> None:
        pairs, squared = np.concatenate(self._pairs), np.concatenate(self._squared)
        order = np.lexsort([pairs[:, 1], pairs[:, 0], squared])
        if len(order) > self._most:
            # Of pairs that are equally far apart either all are kept or none.
            self.limit, self.full = int(squared[order[self._most]]) - 1, True
            order = order[squared[order] <= self.limit]
        self._pairs, self._squared, self._count = [pairs[order]], [squared[order]], len(order)


def _squared(
    pixels: UInt8[np.ndarray, "rows 784"], pairs: Int64[np.ndarray, "pairs 2"]
) -> Int64[np.ndarray, "pairs"]:
    """Returns the squared distances of pairs, exactly."""
    difference = pixels[pairs[:, 0]].astype(np.int32) - pixels[pairs[:, 1]]
    squared: np.ndarray = np.einsum("ij,ij->i", difference, difference)
    return squared.astype(np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class _Projected:
    """Images as few numbers, sorted by the first of them.

    Attributes:
        order: the row of each image in this order.
        vectors: of each image its numbers, 1, and the square of their length.
        rounding: what a squared distance of float32 may be wrong by.
    """

    order: Int64[np.ndarray, "rows"]
    vectors: Float[np.ndarray, "rows numbers"]
    rounding: float

    def near(self, start: int, other: int, limit: int) -> Int64[np.ndarray, "pairs 2"]:
        """Returns the pairs of two blocks that may be as near as the limit."""
        right = self.vectors[other : other + _BLOCK]
        left = -2 * self.vectors[start : start + _BLOCK]
        left[:, -2], left[:, -1] = left[:, -1] / -2, 1
        one, two = np.nonzero(left @ right.T <= limit + self.rounding)
        if start == other:
            one, two = one[one < two], two[one < two]
        rows = np.column_stack([self.order[one + start], self.order[two + other]])
        return np.sort(rows, axis=1)


def _projected(pixels: UInt8[np.ndarray, "rows 784"]) -> _Projected:
    step = max(1, -(-len(pixels) // _SAMPLE))
    sample = pixels[::step].astype(np.float64)
    center = sample.mean(axis=0)
    basis = np.linalg.svd(sample - center, full_matrices=False)[2][:_COMPONENTS].T
    vectors = np.ones((len(pixels), basis.shape[1] + 3), np.float32)
    for start in range(0, len(pixels), _MEASURED):
        part = vectors[start : start + _MEASURED]
        centered = pixels[start : start + _MEASURED] - center
        numbers = centered @ basis
        # What the projection leaves out differs by at least the difference of its lengths.
        rest = (centered**2).sum(axis=1) - (numbers**2).sum(axis=1)
        part[:, :-3], part[:, -3] = numbers, np.sqrt(np.maximum(rest, 0))
        part[:, -1] = (part[:, :-2].astype(np.float64) ** 2).sum(axis=1)
    order = np.argsort(vectors[:, 0], kind="stable")
    # A bound for products of so many float32, and for rounding what goes into them.
    operations = 4 * vectors.shape[1] + 32
    rounding = operations * float(np.finfo(np.float32).eps) * float(vectors[:, -1].max())
    return _Projected(order, vectors[order], rounding)
