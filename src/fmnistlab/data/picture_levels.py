"""What the numbers in a picture file mean: how many bits, and which of them is white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

DEEP_MODES: Final = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})
"""Pillow's names of grey with more than 8 bits."""

GREY_MODES: Final = frozenset({"1", "L"})
"""Pillow's names of grey with at most 8 bits, scaled to 0...255."""

COLOR_STEPS: Final[dict[str, tuple[str, ...]]] = {
    "P": ("RGBA",),
    "PA": ("RGBA",),
    "LA": ("RGBA",),
    "La": ("LA", "RGBA"),
    "RGB": ("RGBA",),
    "RGBA": (),
    "RGBa": ("RGBA",),
    "CMYK": ("RGB", "RGBA"),
    "YCbCr": ("RGB", "RGBA"),
    "HSV": ("RGB", "RGBA"),
}
"""The conversions that lead from a mode with color or transparency to "RGBA"."""

_PHOTOMETRIC, _BITS, _SAMPLE_FORMAT = 0x0106, 0x0102, 0x0153  # tags of TIFF
_WHITE_IS_ZERO, _SIGNED = 0, 2  # their values
_PNG_BIT_DEPTH = 24  # offset in the file; the header is always the first chunk


def bits_of(picture: Image.Image, start: bytes) -> int:
    """Returns the bits of one number in the file: 1, 2, 4, 8, 12, 16 or 32.

    Args:
        picture: as opened, not yet loaded.
        start: the first bytes of the file, at least 25.
    """
    tags = getattr(picture, "tag_v2", None)
    if tags is not None:
        return int(tags.get(_BITS, (1,))[0])
    if picture.format == "PNG":
        return start[_PNG_BIT_DEPTH]
    return 16 if picture.mode in DEEP_MODES else 8  # Pillow scales PPM files to one of the two


def obstacle_to_grey(picture: Image.Image, bits: int) -> str | None:
    """Returns why black and white of a picture cannot be known, or None if they are defined.

    Args:
        picture: as opened, not yet loaded.
        bits: as from `bits_of`.
    """
    mode = picture.mode
    tags = getattr(picture, "tag_v2", {})
    if mode not in {*GREY_MODES, *DEEP_MODES, *COLOR_STEPS, "F"}:
        return f"has colors of the kind {mode}, whose brightness is not defined here"
    if _SIGNED in tags.get(_SAMPLE_FORMAT, ()):
        return "has signed numbers, for which black and white are not defined"
    if mode in DEEP_MODES and bits > 16:
        return f"has integers of {bits} bits, whose range is not defined"
    if mode in {*DEEP_MODES, "F"} and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        return f"has {bits} bits with white as zero, which is not supported"
    if mode == "RGB" and bits > 8 and "transparency" in picture.info:
        return f"marks a color of {bits} bits as transparent, which is not supported"
    return None
