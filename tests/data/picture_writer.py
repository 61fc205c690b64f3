"""PNG and TIFF files written by hand, for what Pillow cannot write."""

from __future__ import annotations

import struct
import zlib
from typing import Literal

import numpy as np


def packed(numbers: np.ndarray, bits: int) -> list[bytes]:
    """Rows of numbers with 1, 2, 4, 8, 12 or 16 bits each, the highest bit first."""
    rows = numbers.reshape(numbers.shape[0], -1)
    shifts = np.arange(bits)[::-1]
    planes = (rows[:, :, None] >> shifts & 1).astype(np.uint8)
    return [np.packbits(row.ravel()).tobytes() for row in planes]


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(numbers: np.ndarray, bits: int, color: int = 0, extra: bytes = b"") -> bytes:
    """A PNG file: color 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA."""
    height, width = numbers.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in packed(numbers, bits)))
    chunks = chunk(b"IHDR", header) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def empty_png(width: int, height: int) -> bytes:
    """The header of a PNG file, with hardly any pixels behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)


def tiff(
    numbers: np.ndarray, bits: int, *, order: Literal["<", ">"] = "<", tags: dict[int, int]
) -> bytes:
    """A TIFF file with one strip of grey numbers; `tags` adds to the necessary ones.

    Numbers of 8, 16 and 32 bits (any dtype) are written in the order of the file.
    """
    height, width = numbers.shape[:2]
    if bits in {8, 16, 32}:
        strip = numbers.astype(numbers.dtype.newbyteorder(order)).tobytes()
    else:
        strip = b"".join(packed(numbers, bits))
    known = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 277: 1, 278: height}
    every = sorted({**known, 273: 8, 279: len(strip), **tags}.items())
    start = 8 + len(strip)
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in every)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return head + strip + struct.pack(order + "H", len(every)) + entries + b"\0\0\0\0"
