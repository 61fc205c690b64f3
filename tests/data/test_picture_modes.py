"""Pictures of every color mode, against grey levels computed with numpy."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image
from tests.data.picture_writer import chunk, png, tiff

from fmnistlab.data.picture import Picture, read_picture
from fmnistlab.data.picture_grey import DecodedPicture, grey_on
from fmnistlab.errors import DataFormatError

DICE = np.random.default_rng(7)
GREY = DICE.integers(0, 256, (28, 28), dtype=np.uint8)
RGB = DICE.integers(0, 256, (28, 28, 3), dtype=np.uint8)
ALPHA = DICE.integers(0, 256, (28, 28), dtype=np.uint8)
OPAQUE = np.full((28, 28), 255, dtype=np.uint8)
DEEP = DICE.integers(0, 65536, (28, 28), dtype=np.uint16)
PALETTE = DICE.integers(0, 256, (256, 3), dtype=np.uint8)

TURNED: dict[int, Any] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.T,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].T,
    8: np.rot90,
}
"""What is seen of a stored picture with an EXIF orientation."""


def luma(rgb: np.ndarray) -> np.ndarray:
    return rgb.astype(float) @ [0.299, 0.587, 0.114]


def seen(rgb: np.ndarray, alpha: np.ndarray, *, invert: bool) -> np.ndarray:
    """The brightness of a color over the ground; with `invert` over white, and then swapped."""
    part = alpha / 255.0
    shown = luma(rgb) * part + (255 if invert else 0) * (1 - part)
    return 255 - shown if invert else shown


def read_bytes(folder: Path, content: bytes, *, invert: bool = False) -> Picture:
    (folder / "picture").write_bytes(content)
    return read_picture(folder / "picture", invert=invert)


def assert_close(found: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    assert np.abs(found.astype(float) - wanted).max() <= tolerance


def grey_as_rgb(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[:, :, None], 3, axis=2)


def with_palette(mode: str, palette: np.ndarray) -> Image.Image:
    picture = Image.fromarray(GREY).copy()
    picture.putpalette(palette.tobytes(), mode)
    return picture


def with_alpha(picture: Image.Image) -> Image.Image:
    picture.putalpha(Image.fromarray(ALPHA))
    return picture


def cmyk() -> tuple[Image.Image, np.ndarray]:
    inks = DICE.integers(0, 256, (28, 28, 4), dtype=np.uint8)
    light = 255 - inks.astype(float)
    return Image.frombytes("CMYK", (28, 28), inks.tobytes()), light[..., :3] * light[..., 3:] / 255


RGBA_PALETTE = DICE.integers(0, 256, (256, 4), dtype=np.uint8)
HOLES = DICE.integers(0, 256, 256, dtype=np.uint8)
CMYK, CMYK_RGB = cmyk()
COLORS: dict[str, tuple[Image.Image, str, np.ndarray, np.ndarray, dict[str, Any]]] = {
    "1": (
        Image.fromarray(GREY > 127),
        "PNG",
        grey_as_rgb((GREY > 127) * np.uint8(255)),
        OPAQUE,
        {},
    ),
    "L": (Image.fromarray(GREY), "PNG", grey_as_rgb(GREY), OPAQUE, {}),
    "L with a transparent level": (
        Image.fromarray(GREY),
        "PNG",
        grey_as_rgb(GREY),
        np.where(GREY[0, 0] == GREY, 0, 255),
        {"transparency": int(GREY[0, 0])},
    ),
    "LA": (with_alpha(Image.fromarray(GREY)), "PNG", grey_as_rgb(GREY), ALPHA, {}),
    "LA in TIFF": (with_alpha(Image.fromarray(GREY)), "TIFF", grey_as_rgb(GREY), ALPHA, {}),
    "P": (with_palette("RGB", PALETTE), "PNG", PALETTE[GREY], OPAQUE, {}),
    "P in GIF": (with_palette("RGB", PALETTE), "GIF", PALETTE[GREY], OPAQUE, {}),
    "P in TIFF": (with_palette("RGB", PALETTE), "TIFF", PALETTE[GREY], OPAQUE, {}),
    "P in BMP": (with_palette("RGB", PALETTE), "BMP", PALETTE[GREY], OPAQUE, {}),
    "P with a transparent color": (
        with_palette("RGB", PALETTE),
        "GIF",
        PALETTE[GREY],
        np.where(GREY[0, 0] == GREY, 0, 255),
        {"transparency": int(GREY[0, 0])},
    ),
    "P with an alpha for each color": (
        with_palette("RGB", PALETTE),
        "PNG",
        PALETTE[GREY],
        HOLES[GREY],
        {"transparency": HOLES.tobytes()},
    ),
    "P of RGBA": (
        with_palette("RGBA", RGBA_PALETTE),
        "PNG",
        RGBA_PALETTE[GREY][..., :3],
        RGBA_PALETTE[GREY][..., 3],
        {},
    ),
    "PA": (
        with_alpha(with_palette("RGB", PALETTE)),
        "TIFF",
        PALETTE[GREY],
        ALPHA,
        {},
    ),
    "RGB": (Image.fromarray(RGB), "PNG", RGB, OPAQUE, {}),
    "RGB in TIFF": (Image.fromarray(RGB), "TIFF", RGB, OPAQUE, {"compression": "tiff_lzw"}),
    "RGB in BMP": (Image.fromarray(RGB), "BMP", RGB, OPAQUE, {}),
    "RGB in PPM": (Image.fromarray(RGB), "PPM", RGB, OPAQUE, {}),
    "RGB in WebP": (Image.fromarray(RGB), "WEBP", RGB, OPAQUE, {"lossless": True}),
    "RGB with a transparent color": (
        Image.fromarray(RGB),
        "PNG",
        RGB,
        np.where((RGB[3, 3] == RGB).all(axis=2), 0, 255),
        {"transparency": tuple(map(int, RGB[3, 3]))},
    ),
    "RGBA": (with_alpha(Image.fromarray(RGB)), "PNG", RGB, ALPHA, {}),
    "RGBA in WebP": (
        with_alpha(Image.fromarray(RGB)),
        "WEBP",
        RGB,
        ALPHA,
        {"lossless": True, "exact": True},
    ),
    "RGBA in TIFF": (with_alpha(Image.fromarray(RGB)), "TIFF", RGB, ALPHA, {}),
    "CMYK": (CMYK, "TIFF", CMYK_RGB, OPAQUE, {}),
}
if int(PIL.__version__.split(".")[0]) >= 13:  # older ones cannot read what they wrote
    COLORS["YCbCr"] = (Image.fromarray(RGB).convert("YCbCr"), "TIFF", RGB, OPAQUE, {})


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("kind", COLORS)
def test_colors_become_their_brightness_and_holes_the_ground(
    tmp_path: Path, kind: str, *, invert: bool
) -> None:
    picture, file_format, rgb, alpha, options = COLORS[kind]
    picture.save(tmp_path / "x", file_format, **options)
    found = read_picture(tmp_path / "x", invert=invert).pixels
    assert_close(found, seen(rgb, alpha, invert=invert), 2 if kind == "YCbCr" else 1.5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "kind", [kind for kind, case in COLORS.items() if case[1] in {"PNG", "TIFF", "WEBP"}]
)
def test_every_mode_is_turned_as_its_file_says(tmp_path: Path, kind: str, orientation: int) -> None:
    picture, file_format, rgb, alpha, options = COLORS[kind]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "x", file_format, exif=exif, **options)
    wanted = TURNED[orientation](seen(rgb, alpha, invert=False))
    assert_close(read_picture(tmp_path / "x").pixels, wanted, 2 if kind == "YCbCr" else 1.5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_picture_that_is_not_square_is_turned(
    tmp_path: Path, file_format: str, orientation: int
) -> None:
    stored = np.zeros((56, 112), dtype=np.uint8)
    stored[:28, :28] = 240
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).convert("RGB").save(tmp_path / "x", file_format, exif=exif)
    upright = np.zeros((28, 28))
    upright[7:14, :7] = 240
    wanted = TURNED[orientation](upright)
    wrong = np.abs(read_picture(tmp_path / "x").pixels - wanted) > 60
    assert wrong.sum() < 8


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("key", [False, True])
def test_grey_png_files_of_all_depths(tmp_path: Path, bits: int, *, key: bool) -> None:
    white = 2**bits - 1
    numbers = DEEP >> (16 - bits)
    hole = int(numbers[5, 5]) or white
    extra = chunk(b"tRNS", struct.pack(">H", hole)) if key else b""
    found = read_bytes(tmp_path, png(numbers, bits, extra=extra)).pixels
    levels = np.round(numbers / white * 255)
    assert_close(found, np.where(numbers == hole, 0, levels) if key else levels, 0)


def test_all_16_bit_levels_are_rounded(tmp_path: Path) -> None:
    numbers = np.linspace(0, 65535, 784).astype(np.uint16).reshape(28, 28)
    for content in [
        png(numbers, 16),
        tiff(numbers, 16, tags={}),
        tiff(numbers, 16, order=">", tags={}),
        b"P5 28 28 65535\n" + numbers.astype(">u2").tobytes(),
        b"P2 28 28 65535\n" + " ".join(map(str, numbers.ravel())).encode(),
    ]:
        assert_close(read_bytes(tmp_path, content).pixels, np.round(numbers / 257), 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_grey_is_turned(tmp_path: Path, orientation: int) -> None:
    wanted = TURNED[orientation](np.round(DEEP / 257))
    assert_close(read_bytes(tmp_path, tiff(DEEP, 16, tags={274: orientation})).pixels, wanted, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    extra = chunk(b"eXIf", exif.tobytes()[6:])
    assert_close(read_bytes(tmp_path, png(DEEP, 16, extra=extra)).pixels, wanted, 0)


@pytest.mark.parametrize(("color", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colors_are_right_to_two_levels(tmp_path: Path, color: int, channels: int) -> None:
    numbers = DICE.integers(0, 65536, (28, 28, channels), dtype=np.uint16)
    light = numbers / 257
    rgb = light[..., :3] if channels > 2 else grey_as_rgb(light[..., 0])
    alpha = light[..., -1] if channels in {2, 4} else OPAQUE
    found = read_bytes(tmp_path, png(numbers, 16, color)).pixels
    assert_close(found, seen(rgb, alpha, invert=False), 2)


@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_tiff_files_with_white_or_black_as_zero(
    tmp_path: Path, bits: int, *, white_is_zero: bool
) -> None:
    numbers = GREY >> (8 - bits)
    levels = np.round(numbers / (2**bits - 1) * 255)
    content = tiff(numbers, bits, tags={262: 0 if white_is_zero else 1})
    wanted = 255 - levels if white_is_zero else levels
    assert_close(read_bytes(tmp_path, content).pixels, wanted, 0)


def test_12_bits_end_at_4095(tmp_path: Path) -> None:
    numbers = DEEP >> 4
    found = read_bytes(tmp_path, tiff(numbers, 12, tags={})).pixels
    assert_close(found, np.round(numbers / 4095 * 255), 0)


@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_from_black_0_to_white_1_are_read(tmp_path: Path, order: Any) -> None:
    numbers = DICE.random((28, 28), dtype=np.float32)
    found = read_bytes(tmp_path, tiff(numbers, 32, order=order, tags={339: 3})).pixels
    assert_close(found, np.round(numbers * 255), 0)


NO_RANGE = {
    "floats up to 255": tiff(GREY.astype(np.float32), 32, tags={339: 3}),
    "floats below 0": tiff(np.full((28, 28), -0.01, np.float32), 32, tags={339: 3}),
    "floats that are no numbers": tiff(np.full((28, 28), np.nan, np.float32), 32, tags={339: 3}),
    "white is zero, float": tiff(np.ones((28, 28), np.float32), 32, tags={262: 0, 339: 3}),
    "white is zero, 16 bits": tiff(DEEP, 16, tags={262: 0}),
    "int32": tiff(GREY.astype(np.int32), 32, tags={339: 2}),
    "uint32": tiff(GREY.astype(np.uint32), 32, tags={339: 1}),
    "int16": tiff(GREY.astype(np.int16), 16, tags={339: 2}),
    "int8": tiff(GREY.view(np.int8), 8, tags={339: 2}),
    "a transparent 16-bit color": png(
        DICE.integers(0, 65536, (28, 28, 3)), 16, 2, chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    ),
}


@pytest.mark.parametrize("kind", NO_RANGE)
def test_numbers_without_a_defined_black_and_white_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataFormatError, match=r"defined|supported") as caught:
        read_bytes(tmp_path, NO_RANGE[kind])
    assert "save it as a PNG file with 8 bits" in str(caught.value)


def test_colors_of_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    Image.new("LAB", (28, 28)).save(tmp_path / "x.tif")
    with pytest.raises(DataFormatError, match="kind LAB, whose brightness is not defined"):
        read_picture(tmp_path / "x.tif")


@pytest.mark.parametrize("mode", ["La", "RGBa", "HSV"])
def test_modes_that_no_file_leads_to_are_right_too(mode: str) -> None:
    source = COLORS["LA" if mode == "La" else "RGBA" if mode == "RGBa" else "RGB"]
    decoded = DecodedPicture(source[0].convert(mode), Path("x"), 8, None, ())
    found = np.asarray(grey_on(decoded, ground=0))
    assert_close(found, seen(source[2], source[3], invert=False), 4)


@pytest.mark.parametrize("mode", ["RGB", "P", "LA", "L"])
def test_pictures_of_many_pieces_are_as_those_of_one(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    picture = Image.fromarray(DICE.integers(0, 256, (40, 50, 3), dtype=np.uint8)).convert(mode)
    decoded = DecodedPicture(picture, Path("x"), 8, None, ())
    whole = np.asarray(grey_on(decoded, ground=0))
    for size in [1, 7, 50, 120]:
        monkeypatch.setattr("fmnistlab.data.picture_grey._PIECE", size)
        assert np.array_equal(np.asarray(grey_on(decoded, ground=0)), whole)
