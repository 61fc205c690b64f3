"""Picture files opened and decoded with bounded memory, or refused in one sentence."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from fmnistlab.data.picture_grey import DecodedPicture
from fmnistlab.data.picture_levels import bits_of, obstacle_to_grey
from fmnistlab.errors import DataError, DataFileError, DataFormatError
from fmnistlab.foundation.regular_file import OPEN_FLAGS

if TYPE_CHECKING:
    from PIL import Image

FORMATS: Final = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
"""What is read: formats that Pillow decodes itself. Others would start programs (EPS)."""

MAX_PIXELS: Final = 25_000_000
"""Pixels that a picture may have when it is decoded; that takes 400 MB in the worst formats."""

MAX_JPEG_PIXELS: Final = 50_000_000
"""Pixels of a JPEG file; beyond `MAX_PIXELS` it is decoded at a half to an eighth of its size."""

MAX_SIDE: Final = 1_000_000
"""Pixels along one side: each row takes memory beside its pixels."""

MAX_BYTES: Final = 2**27
"""Size of a picture file, 128 MiB: some decoders hold the whole file."""

_DRAFT_SIZE: Final = (224, 224)  # eight times 28: what is left for the scaling to choose from

_ORIENTATION: Final = 0x0112  # tag of EXIF and TIFF
_TILE_SIDES: Final = (0x0142, 0x0143)  # tags of TIFF
_TURNS: Final = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""From EXIF orientations to Pillow's `Image.Transpose` that sets the picture upright."""


@contextlib.contextmanager
def decoded(path: Path) -> Iterator[DecodedPicture]:
    """Yields the first frame of a picture file.

    What Pillow raises, here or in the body of the `with`, is told as damage of the file.

    Raises:
        DataFileError: the file is missing, cannot be opened or read, or is not a regular file.
        DataFormatError: it is not a picture of one of `FORMATS`, is damaged, has too many pixels,
            or numbers without a defined black and white.
    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - optional

    with _regular_file(path) as file, _quiet():
        try:
            with Image.open(file, formats=FORMATS) as picture:
                yield _decode(picture, file, path)
        except DataError:
            raise
        except UnidentifiedImageError as error:
            raise DataFormatError(
                path, "is not a picture that can be read, or a damaged one; save it as a PNG file"
            ) from error
        except Image.DecompressionBombError as error:
            raise _too_many_pixels(path) from error
        except Exception as error:  # damaged files raise nearly everything in Pillow
            if isinstance(error, OSError) and error.errno is not None:
                raise DataFileError(f"{path}: {error.strerror}; copy the file anew.") from error
            detail = f"{type(error).__name__}: {error}"[:200]
            raise DataFormatError(path, f"is damaged ({detail}); save it anew") from error


def _decode(picture: Image.Image, file: BinaryIO, path: Path) -> DecodedPicture:
    _limit_pixels(picture, path)
    bits = bits_of(picture, _start_of(file))
    obstacle = obstacle_to_grey(picture, bits)
    if obstacle is not None:
        raise DataFormatError(path, f"{obstacle}; save it as a PNG file with 8 bits")
    notes: tuple[str, ...] = ()
    if getattr(picture, "is_animated", False):
        notes = ("holds several frames or pages; the first one is taken",)
    picture.load()
    turn = None
    if not hasattr(picture, "tag_v2"):  # Pillow turns TIFF files itself
        turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
    return DecodedPicture(picture, path, bits, turn, notes)


@contextlib.contextmanager
def _regular_file(path: Path) -> Iterator[BinaryIO]:
    """Yields the open file; devices and pipes are not opened, and nothing blocks."""
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise DataFileError(f"{path}: is a directory; name one picture file in it.")
        if not stat.S_ISREG(facts.st_mode):
            raise DataFileError(f"{path}: is not a regular file; copy the picture to a file.")
        if facts.st_size > MAX_BYTES:
            raise DataFormatError(
                path, f"is larger than {MAX_BYTES >> 20} MiB; scale the picture down"
            )
        file = os.fdopen(os.open(path, OPEN_FLAGS), "rb")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        if isinstance(error, DataError):
            raise
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise DataFileError(f"{path}: {reason}; name a picture file that can be read.") from error
    with file:
        yield file


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Pillow's warnings and log lines from the terminal; our errors say what matters.

    What libtiff, in C, says about a damaged file cannot be kept back without taking standard error
    from the whole process, so that line remains.
    """
    logger = logging.getLogger("PIL")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _limit_pixels(picture: Image.Image, path: Path) -> None:
    """Checks the size before anything of it is allocated; large JPEG files are made smaller."""
    is_jpeg = picture.format in {"JPEG", "MPO"}
    if is_jpeg and MAX_PIXELS < _area(picture.size) <= MAX_JPEG_PIXELS:
        picture.draft(None, _DRAFT_SIZE)  # None: the mode stays
    tags = getattr(picture, "tag_v2", {})
    tile = [tags.get(tag, 1) for tag in _TILE_SIDES]
    too_long = max(picture.size) > MAX_SIDE
    if too_long or max(_area(picture.size), _area(tile)) > MAX_PIXELS:
        raise _too_many_pixels(path, picture.size)


def _area(size: tuple[int, int] | list[int]) -> int:
    return size[0] * size[1]


def _too_many_pixels(path: Path, size: tuple[int, int] | None = None) -> DataFormatError:
    found = "" if size is None else f" ({size[0]:,} x {size[1]:,})"
    return DataFormatError(
        path,
        f"has too many pixels{found}: at most {MAX_PIXELS:,} are read, of a JPEG file "
        f"{MAX_JPEG_PIXELS:,}, and {MAX_SIDE:,} along a side; scale the picture down",
    )


def _start_of(file: BinaryIO) -> bytes:
    """Returns the first 32 bytes and leaves the position as it was: Pillow reads on from there."""
    position = file.tell()
    file.seek(0)
    start = file.read(32)
    file.seek(position)
    return start
