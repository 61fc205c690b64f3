"""Many small pictures as one PNG file, from which the page cuts each."""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

import numpy as np

from fmnistlab.data.schema import IMAGE_SIZE
from fmnistlab.shapes import UInt8

COLUMNS: Final = 32
"""Pictures side by side."""


class Place(NamedTuple):
    """Where a picture is in the sprite, in pictures from the left and from the top."""

    x: int
    y: int


class Sprite:
    """Pictures that a page shows; the same one is kept once.

    Args:
        images: all there are, uint8 (rows, 28, 28).
    """

    def __init__(self, images: UInt8[np.ndarray, "rows 28 28"]) -> None:
        self._images = images
        self._places: dict[int, Place] = {}

    def __len__(self) -> int:
        """Returns the number of pictures that are kept."""
        return len(self._places)

    def add(self, images: UInt8[np.ndarray, "more 28 28"]) -> int:
        """Offers more images, and returns the row of the first of them."""
        first = len(self._images)
        self._images = np.concatenate([self._images, images])
        return first

    def place(self, row: int) -> Place:
        """Keeps an image, and returns where it will be."""
        new = Place(*reversed(divmod(len(self._places), COLUMNS)))
        return self._places.setdefault(row, new)

    def png(self) -> bytes:
        """Returns the PNG file of all pictures that are kept; at least one must be."""
        rows = -(-len(self._places) // COLUMNS)
        sheet = np.zeros((rows, IMAGE_SIZE, COLUMNS, IMAGE_SIZE), np.uint8)
        for row, place in self._places.items():
            sheet[place.y, :, place.x] = self._images[row]
        return grey_png(sheet.reshape(rows * IMAGE_SIZE, COLUMNS * IMAGE_SIZE))


def grey_png(pixels: UInt8[np.ndarray, "height width"]) -> bytes:
    """Returns grey levels as a PNG file, the same bytes for the same pixels.

    Pillow would do it too, but a report is to need no optional package.

    Args:
        pixels: 0, black, to 255, white.
    """
    height, width = pixels.shape
    filtered = zlib.compress(np.insert(pixels, 0, 0, axis=1).tobytes(), 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", filtered), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
