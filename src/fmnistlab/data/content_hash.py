"""A name for what a data set holds, whatever the order of its rows."""

from __future__ import annotations

import hashlib

import numpy as np

from fmnistlab.data.schema import PIXELS
from fmnistlab.shapes import UInt8


def fingerprint(images: UInt8[np.ndarray, "rows 28 28"], labels: UInt8[np.ndarray, "rows"]) -> str:
    """Returns a SHA-256 over all (label, image) pairs that does not depend on their order.

    Each row is hashed by SHA-256 as one label byte and its 784 pixel bytes; these digests are
    sorted, joined and hashed again. A pair that occurs twice counts twice.

    Args:
        images: pixels 0 to 255, uint8 (rows, 28, 28).
        labels: classes 0 to 9, uint8 (rows,).

    Returns:
        64 hexadecimal digits.
    """
    rows = np.column_stack([labels, images.reshape(-1, PIXELS)])
    digests = sorted(hashlib.sha256(row).digest() for row in rows)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def image_hashes(images: UInt8[np.ndarray, "rows 28 28"]) -> UInt8[np.ndarray, "rows 32"]:
    """Returns a name for each image that does not depend on its row: the SHA-256 of its pixels.

    Args:
        images: pixels 0 to 255, uint8 (rows, 28, 28).
    """
    rows = np.ascontiguousarray(images.reshape(-1, PIXELS))
    digests = b"".join(hashlib.sha256(row).digest() for row in rows)
    return np.frombuffer(digests, np.uint8).reshape(-1, hashlib.sha256().digest_size)
