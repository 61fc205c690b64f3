"""Any picture as a Fashion-MNIST image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from fmnistlab.data.picture_file import decoded
from fmnistlab.data.picture_grey import grey_on
from fmnistlab.data.schema import IMAGE_SIZE, PIXEL_MAX
from fmnistlab.errors import MissingExtraError
from fmnistlab.shapes import UInt8

if TYPE_CHECKING:
    from PIL import Image

_FLAT: Final = 16
"""An image whose brightest and darkest pixel are closer than this shows nothing."""


class Picture(NamedTuple):
    """A picture file as an image of the data set's kind.

    Attributes:
        pixels: uint8 (28, 28).
        bright_ground: whether the picture's edge is brighter than half, as on white paper; the
            data set's ground is black.
        notes: what the caller should know about the file, one phrase each: that it holds several
            frames, of which this is the first, or that the image shows hardly anything.
    """

    pixels: UInt8[np.ndarray, "28 28"]
    bright_ground: bool
    notes: tuple[str, ...] = ()


def read_picture(path: str | os.PathLike[str], *, invert: bool = False) -> Picture:
    """Reads a picture file (PNG, JPEG, WebP, GIF, TIFF, BMP, PPM) as one image.

    The picture is turned as its EXIF orientation says, becomes grey, transparent parts become
    background, the whole is padded to a square and scaled to 28 by 28 pixels. Of several frames
    the first one is taken. Color profiles are ignored. Filters of warnings and the level of
    Pillow's logger are changed while the file is read and put back afterwards; both belong to the
    whole process.

    Args:
        path: the file.
        invert: swap black and white; the data set shows bright cloth on black, a photo on white
            paper must be inverted.

    Raises:
        DataFileError: the file is missing, cannot be opened, or is not a regular file.
        DataFormatError: it is not a picture, a damaged or too large one, or one whose numbers have
            no defined black and white.
        MissingExtraError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError(
            "Reading pictures needs Pillow: python -m pip install 'fmnistlab[plot]'"
        ) from error
    with decoded(Path(path)) as picture:
        grey = grey_on(picture, ground=PIXEL_MAX if invert else 0)
    if invert:
        grey = ImageOps.invert(grey)
    if picture.turn is not None:
        grey = grey.transpose(Image.Transpose(picture.turn))
    small = _scaled(grey)
    notes = (*picture.notes, *_notes_on(np.asarray(small)))
    bright_ground = _has_bright_edge(np.asarray(grey))
    return Picture(np.asarray(_padded(small)), bright_ground, notes)


def _scaled(grey: Image.Image) -> Image.Image:
    """Returns the whole picture, its longer side 28 pixels, its shorter one at least 1."""
    from PIL import Image  # noqa: PLC0415 - optional

    width, height = grey.size
    longer = max(width, height)
    size = [max(1, round(side / longer * IMAGE_SIZE)) for side in (width, height)]
    return grey.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _padded(small: Image.Image) -> Image.Image:
    """Returns the picture in the middle of a black square of 28 by 28."""
    from PIL import Image  # noqa: PLC0415 - optional

    square = Image.new("L", (IMAGE_SIZE, IMAGE_SIZE))
    left, top = (round((IMAGE_SIZE - side) / 2) for side in small.size)
    square.paste(small, (left, top))
    return square


def _notes_on(pixels: UInt8[np.ndarray, "height width"]) -> list[str]:
    darkest, brightest = int(pixels.min()), int(pixels.max())
    if brightest - darkest >= _FLAT:
        return []
    return [f"shows hardly anything: all grey levels lie between {darkest} and {brightest} of 255"]


def _has_bright_edge(pixels: UInt8[np.ndarray, "height width"]) -> bool:
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return bool(edge.mean() > PIXEL_MAX / 2)
