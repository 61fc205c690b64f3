"""Any picture as a Fashion-MNIST image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fmnistlab.data.schema import IMAGE_SIZE, PIXEL_MAX
from fmnistlab.errors import DataFileError, DataFormatError, MissingExtraError
from fmnistlab.shapes import UInt8


class Picture(NamedTuple):
    """A picture file as an image of the data set's kind.

    Attributes:
        pixels: uint8 (28, 28).
        bright_ground: whether the picture's edge is brighter than half, as on white paper; the
            data set's ground is black.
    """

    pixels: UInt8[np.ndarray, "28 28"]
    bright_ground: bool


def read_picture(path: str | os.PathLike[str], *, invert: bool = False) -> Picture:
    """Reads a picture file (PNG, JPEG, ... whatever Pillow reads) as one image.

    The picture becomes grey, transparent parts become background, the whole is padded to a square
    and scaled to 28 by 28 pixels.

    Args:
        path: the file.
        invert: swap black and white; the data set shows bright cloth on black, a photo on white
            paper must be inverted.

    Raises:
        DataFileError: the file is missing or cannot be opened.
        DataFormatError: it is not a picture, or a damaged one.
        MissingExtraError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError(
            "Reading pictures needs Pillow: python -m pip install 'fmnistlab[plot]'"
        ) from error
    path = Path(path)
    try:
        with Image.open(path) as picture:
            colored = picture.convert("RGBA")
    except UnidentifiedImageError as error:
        raise DataFormatError(path, "is not a picture that can be read; use a PNG file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DataFileError(f"{path}: {error.strerror}.") from error
        raise DataFormatError(path, f"is damaged: {error}") from error
    background = Image.new("RGBA", colored.size, "white" if invert else "black")
    grey = Image.alpha_composite(background, colored).convert("L")
    if invert:
        grey = ImageOps.invert(grey)
    small = ImageOps.pad(grey, (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS, color=0)
    return Picture(np.asarray(small), bright_ground=_has_bright_edge(np.asarray(grey)))


def _has_bright_edge(pixels: UInt8[np.ndarray, "height width"]) -> bool:
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return bool(edge.mean() > PIXEL_MAX / 2)
