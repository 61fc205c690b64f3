"""Images that are the same pixel by pixel, or after a reflection from left to right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fmnistlab.data.content_hash import image_hashes
from fmnistlab.shapes import UInt8


def equal_rows(images: UInt8[np.ndarray, "rows 28 28"]) -> list[tuple[int, ...]]:
    """Returns the rows of each image that is there several times, by SHA-256 of the pixels.

    Args:
        images: pixels 0 to 255, uint8 (rows, 28, 28).

    Returns:
        One tuple of at least two rows for each such image, in ascending order.
    """
    return _rows_of_equal(_names(images))


def mirrored_rows(images: UInt8[np.ndarray, "rows 28 28"]) -> list[tuple[int, ...]]:
    """Returns the rows of images of which some are others, reflected from left to right.

    An image that is its own reflection and is there twice is merely equal to itself, so it is not
    among them.

    Args:
        images: pixels 0 to 255, uint8 (rows, 28, 28).

    Returns:
        One tuple for each image that is there in both forms: the rows of both, in ascending order.
    """
    names, reflected = _names(images), _names(images[:, :, ::-1])
    groups = _rows_of_equal([min(both) for both in zip(names, reflected, strict=True)])
    return [rows for rows in groups if len({names[row] for row in rows}) > 1]


def _names(images: UInt8[np.ndarray, "rows 28 28"]) -> list[bytes]:
    return [name.tobytes() for name in image_hashes(images)]


def _rows_of_equal(names: Sequence[bytes]) -> list[tuple[int, ...]]:
    rows: dict[bytes, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return [tuple(found) for found in rows.values() if len(found) > 1]
