"""Images that are the same pixel by pixel, or after a reflection from left to right."""

from __future__ import annotations

from typing import Final

import numpy as np

from fmnistlab.data.content_hash import image_hashes
from fmnistlab.shapes import UInt8

_AT_ONCE: Final = 4_096


def equal_rows(images: UInt8[np.ndarray, "rows 28 28"]) -> list[tuple[int, ...]]:
    """Returns the rows of each image that is there several times, by SHA-256 of the pixels.

    Args:
        images: pixels 0 to 255, uint8 (rows, 28, 28).

    Returns:
        One tuple of at least two rows for each such image, in ascending order.
    """
    return rows_of_equal(image_hashes(images))


def mirrored_rows(images: UInt8[np.ndarray, "rows 28 28"]) -> list[tuple[int, ...]]:
    """Returns the rows of images of which some are others, reflected from left to right.

    An image that is its own reflection and is there twice is merely equal to itself, so it is not
    among them.

    Args:
        images: pixels 0 to 255, uint8 (rows, 28, 28).

    Returns:
        One tuple for each image that is there in both forms: the rows of both, in ascending order.
    """
    return rows_of_mirrored(images, image_hashes(images))


def rows_of_mirrored(
    images: UInt8[np.ndarray, "rows 28 28"], names: UInt8[np.ndarray, "rows 32"]
) -> list[tuple[int, ...]]:
    """Returns what `mirrored_rows` does.

    Args:
        images: likewise.
        names: their SHA-256.
    """
    # A reflection of all at once would take the images' memory once more.
    starts = range(0, len(images), _AT_ONCE)
    reflected = np.concatenate(
        [names[:0], *(image_hashes(images[at : at + _AT_ONCE, :, ::-1]) for at in starts)]
    )
    # An image and its reflection have one name together: the smaller of the two.
    place = (names != reflected).argmax(axis=1)
    rows = np.arange(len(names))
    smaller = names[rows, place] < reflected[rows, place]
    groups = rows_of_equal(np.where(smaller[:, None], names, reflected))
    return [found for found in groups if len({names[row].tobytes() for row in found}) > 1]


def rows_of_equal(names: UInt8[np.ndarray, "rows 32"]) -> list[tuple[int, ...]]:
    """Returns the rows of each name that is there several times, each group in ascending order.

    Args:
        names: SHA-256 of images.
    """
    words = np.ascontiguousarray(names).view(np.uint64)
    order = np.lexsort(words.T)
    new = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    number = np.cumsum(np.concatenate([[0], new]), dtype=np.int64)[: len(names)]
    several = np.bincount(number)[number] > 1
    rows, number = order[several], number[several]
    found = np.split(rows, np.flatnonzero(np.diff(number)) + 1) if len(rows) else []
    return sorted(tuple(group.tolist()) for group in found)
