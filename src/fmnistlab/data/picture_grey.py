"""Decoded pictures of every color mode as grey levels, piece by piece to keep memory small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from fmnistlab.data.picture_levels import COLOR_STEPS, DEEP_MODES
from fmnistlab.data.schema import PIXEL_MAX
from fmnistlab.errors import DataFormatError

if TYPE_CHECKING:
    from PIL import Image

_PIECE: Final = 2**20
"""Pixels that are converted at once; each takes a few bytes in each step."""


class DecodedPicture(NamedTuple):
    """One picture in memory, and what its file says about it.

    Attributes:
        image: the pixels, in any mode for which there is no `obstacle_to_grey`.
        path: the file, for errors.
        bits: bits of one number in the file.
        turn: the `Image.Transpose` that sets it upright; None if it is.
        notes: what the reader should know.
    """

    image: Image.Image
    path: Path
    bits: int
    turn: int | None
    notes: tuple[str, ...]


def grey_on(picture: DecodedPicture, *, ground: int) -> Image.Image:
    """Returns the picture's brightness, in mode "L", of the same size.

    Args:
        picture: the picture.
        ground: grey level, 0 to 255, behind transparent parts.

    Raises:
        DataFormatError: floating point numbers outside of 0 to 1.
    """
    from PIL import Image  # noqa: PLC0415 - optional

    whole = Image.new("L", picture.image.size)
    for box in _pieces(*picture.image.size):
        piece = picture.image.crop(box)
        if piece.mode in COLOR_STEPS:
            grey = _from_color(piece, ground)
        else:
            grey = Image.fromarray(_from_grey(piece, picture, ground))
        whole.paste(grey, box)
    return whole


def _pieces(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    columns = min(width, _PIECE)
    rows = _PIECE // columns
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield left, top, min(left + columns, width), min(top + rows, height)


def _from_color(piece: Image.Image, ground: int) -> Image.Image:
    from PIL import Image  # noqa: PLC0415 - optional

    for mode in COLOR_STEPS[piece.mode]:
        piece = piece.convert(mode)
    behind = Image.new("RGBA", piece.size, (ground, ground, ground, PIXEL_MAX))
    return Image.alpha_composite(behind, piece).convert("L")


def _from_grey(piece: Image.Image, picture: DecodedPicture, ground: int) -> np.ndarray:
    """Returns uint8 (height, width)."""
    key = piece.info.get("transparency")
    if piece.mode == "F":
        levels = _from_fractions(np.asarray(piece), picture.path)
    elif piece.mode in DEEP_MODES:
        numbers = np.asarray(piece)
        white = 2**picture.bits - 1
        levels = ((numbers.astype(np.uint32) * PIXEL_MAX + white // 2) // white).astype(np.uint8)
    else:
        numbers = levels = np.array(piece.convert("L"))
        key = _scaled(key, picture.bits)
    if key is not None:
        levels[numbers == key] = ground
    return levels


def _from_fractions(numbers: np.ndarray, path: Path) -> np.ndarray:
    if not ((numbers >= 0) & (numbers <= 1)).all():  # false for "not a number", too
        raise DataFormatError(
            path,
            "has floating point numbers outside of 0 (black) to 1 (white), so its range is not "
            "defined; scale them, or save it as a PNG file with 8 bits",
        )
    return np.round(numbers * PIXEL_MAX).astype(np.uint8)


def _scaled(key: int | None, bits: int) -> int | None:
    """Returns the transparent grey level in 0...255; Pillow leaves it in the file's bits."""
    if key is None or key >= 1 << bits:  # scaled already, which newer versions do for 1 bit
        return key
    return key * PIXEL_MAX // ((1 << bits) - 1)
