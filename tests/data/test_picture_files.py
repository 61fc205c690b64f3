"""Picture files that are damaged, huge, moving or no files at all."""

from __future__ import annotations

import io
import logging
import os
import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile
from tests.data.picture_writer import chunk, empty_png, png, tiff

from fmnistlab.data import picture_file
from fmnistlab.data.picture import read_picture
from fmnistlab.errors import DataError, DataFileError, DataFormatError

GREY = np.random.default_rng(3).integers(0, 256, (28, 28), dtype=np.uint8)
BRIGHT = np.full((28, 28), 200, dtype=np.uint8)


def in_format(file_format: str, array: np.ndarray = GREY) -> bytes:
    """A file in memory; TIFF packed, so that libtiff reads it."""
    buffer = io.BytesIO()
    options: dict[str, Any] = {"compression": "tiff_adobe_deflate"} if file_format == "TIFF" else {}
    exif = Image.Exif()
    exif[0x0112] = 6
    if file_format in {"JPEG", "PNG", "WEBP"}:
        options["exif"] = exif.tobytes()
    Image.fromarray(array).save(buffer, file_format, **options)
    return buffer.getvalue()


SMALL = {name: in_format(name) for name in picture_file.FORMATS}


def read_bytes(folder: Path, content: bytes) -> np.ndarray:
    (folder / "x").write_bytes(content)
    return read_picture(folder / "x").pixels


@pytest.mark.parametrize("name", SMALL)
def test_a_shortened_file_is_refused_or_read_as_the_whole(tmp_path: Path, name: str) -> None:
    whole = read_bytes(tmp_path, SMALL[name])
    refused = 0
    for length in range(0, len(SMALL[name]), 7):
        try:
            pixels = read_bytes(tmp_path, SMALL[name][:length])
        except DataFormatError:
            refused += 1
        else:
            assert np.array_equal(pixels, whole)
    assert refused > len(SMALL[name]) // 8


def test_a_changed_png_file_is_refused_or_read_as_it_was(tmp_path: Path) -> None:
    whole = read_bytes(tmp_path, SMALL["PNG"])
    for place in range(0, len(SMALL["PNG"]), 3):
        changed = bytearray(SMALL["PNG"])
        changed[place] ^= 0x55
        try:
            assert np.array_equal(read_bytes(tmp_path, bytes(changed)), whole)
        except DataFormatError:
            continue


@pytest.mark.parametrize("name", SMALL)
def test_a_file_with_changed_bytes_ends_in_no_other_error(tmp_path: Path, name: str) -> None:
    dice = random.Random(name)
    for _ in range(150):
        changed = bytearray(SMALL[name])
        start = dice.choice([40, 200, len(changed)])  # headers are where decoders stumble
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(min(start, len(changed)))] = dice.choice([0, 255, 1, 128, 77])
        try:
            assert read_bytes(tmp_path, bytes(changed)).shape == (28, 28)
        except DataError:
            continue


@given(
    content=st.binary(max_size=60), start=st.sampled_from([each[:30] for each in SMALL.values()])
)
def test_any_bytes_behind_a_true_beginning_end_in_no_other_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(start + content)
    with pytest.raises(DataFormatError):
        read_picture(path)


@pytest.mark.parametrize(
    "kind", [OSError, SyntaxError, IndexError, MemoryError, OverflowError, zlib.error, KeyError]
)
def test_whatever_a_decoder_raises_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fail(self: object) -> None:
        raise kind

    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", fail)
    with pytest.raises(DataFormatError, match=f"is damaged .*{kind.__name__}.*; save it anew"):
        read_bytes(tmp_path, SMALL["BMP"])


def test_a_disk_that_fails_is_not_called_damage_of_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", fail)
    with pytest.raises(DataFileError, match="Input/output error"):
        read_bytes(tmp_path, SMALL["BMP"])


TOO_LARGE = {
    "a PNG file with 25 gigapixels": empty_png(500_000, 50_000),
    "a PNG file with 90 megapixels": empty_png(9_000, 10_000),
    "a PNG file just above": empty_png(5_001, 5_000),
    "a long PNG file": empty_png(1, 1_000_001),
    "a TIFF file with huge tiles": tiff(
        BRIGHT, 8, tags={322: 40_000, 323: 50_000, 324: 8, 325: 784}
    ),
    "a PPM file": b"P6 10000 10000 255\n",
    "a GIF file": b"GIF89a" + b"\xff" * 4 + b"\0\0\0" + b"," + b"\0" * 30,
}


@pytest.mark.parametrize("kind", TOO_LARGE)
def test_too_many_pixels_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", lambda _: pytest.fail("decoded"))
    with pytest.raises(DataFormatError, match=r"too many pixels.*at most 25,000,000.*scale"):
        read_bytes(tmp_path, TOO_LARGE[kind])


def test_a_large_jpeg_is_decoded_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_file, "MAX_PIXELS", 500_000)
    monkeypatch.setattr(picture_file, "MAX_JPEG_PIXELS", 1_000_000)
    picture = np.kron(np.array([[250, 20], [20, 250]], dtype=np.uint8), np.ones((500, 500)))
    pixels = read_bytes(tmp_path, in_format("JPEG", picture.astype(np.uint8)))
    assert (np.abs(pixels[:12, :12].astype(int) - 20) < 30).all()
    assert (np.abs(pixels[16:, :12].astype(int) - 250) < 30).all()
    with pytest.raises(DataFormatError, match="1,008 x 1,000"):
        read_bytes(tmp_path, in_format("JPEG", np.zeros((1000, 1008), np.uint8)))


def test_a_file_of_many_bytes_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.write(SMALL["PNG"])
        file.truncate(picture_file.MAX_BYTES + 1)
    with pytest.raises(DataFormatError, match=r"larger than 128 MiB; scale"):
        read_picture(tmp_path / "x")


def test_text_that_swells_is_refused(tmp_path: Path) -> None:
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**22)))
    with pytest.raises(DataFormatError, match="is damaged"):
        read_bytes(tmp_path, png(GREY, 8, extra=text * 3))


@pytest.mark.parametrize("shape", [(1, 100_000), (100_000, 1), (3, 60_000), (1, 1), (40, 39)])
def test_long_and_thin_pictures_are_read(tmp_path: Path, shape: tuple[int, int]) -> None:
    pixels = read_bytes(tmp_path, in_format("PPM", np.full(shape, 200, dtype=np.uint8)))
    assert pixels.shape == (28, 28)
    assert pixels.max() == 200
    assert pixels[14 if shape[0] < shape[1] else slice(None)].max(axis=0).any()


MEASURE = """
import re, sys
from pathlib import Path
from PIL import Image, WebPImagePlugin, TiffImagePlugin
from fmnistlab.data.picture import read_picture
peak = lambda: int(re.search("VmHWM: *(.*) kB", Path("/proc/self/status").read_text())[1]) // 1024
before = peak()
read_picture(sys.argv[1])
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("size", "file_format"), [((5000, 5000), "PNG"), ((2500, 2500), "WEBP")])
def test_the_largest_picture_takes_bounded_memory(
    tmp_path: Path, size: tuple[int, int], file_format: str
) -> None:
    Image.new("RGBA", size, (9, 99, 200, 100)).save(tmp_path / "x", file_format, compress_level=1)
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "x")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert int(done.stdout) < 250  # MiB; 100 of them are the decoded pixels of the PNG file
    assert done.stderr == ""


def test_the_first_of_several_frames_is_taken_and_told(tmp_path: Path) -> None:
    for name in ["GIF", "PNG", "TIFF", "WEBP"]:
        first, second, other = (Image.fromarray(each) for each in (BRIGHT, BRIGHT // 4, GREY))
        options = {"lossless": True} if name == "WEBP" else {}
        first.save(tmp_path / "x", name, save_all=True, append_images=[second, other], **options)
        picture = read_picture(tmp_path / "x")
        assert np.array_equal(picture.pixels, BRIGHT), name
        assert picture.notes[0] == "holds several frames or pages; the first one is taken"
        other.save(tmp_path / "x", name, **options)
        assert read_picture(tmp_path / "x").notes == ()


def test_a_picture_that_shows_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(in_format("BMP", np.full((9, 40), 200, dtype=np.uint8)))
    assert "between 200 and 200 of 255" in read_picture(tmp_path / "x").notes[0]
    (tmp_path / "x").write_bytes(png(GREY.astype(np.uint16), 16))
    assert read_picture(tmp_path / "x").notes == (
        "shows hardly anything: all grey levels lie between 0 and 1 of 255",
    )


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.4\n",
        b"",
        b"\0" * 100,
        b"P5 0 5 255\n",
        b"GIF89a" + bytes(7) + b"," + bytes(30),
    ],
)
def test_other_formats_and_pictures_without_pixels_are_refused(
    tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(DataFormatError, match=r"is not a picture .* save it as a PNG file"):
        read_bytes(tmp_path, content)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in [tmp_path / "pipe", tmp_path / "link", Path("/dev/null")]:
        with pytest.raises(DataFileError, match="is not a regular file; copy"):
            read_picture(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_a_pipe_in_the_place_of_a_file_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "x").write_bytes(SMALL["PNG"])
    facts = (tmp_path / "x").stat()
    monkeypatch.setattr(Path, "stat", lambda _, **__: facts)
    with pytest.raises(DataError):
        read_picture(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "no/such/file.png"])
def test_names_that_no_file_has_are_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataFileError, match="name a picture file that can be read"):
        read_picture(tmp_path / name)


@pytest.mark.parametrize("name", ["\x1b[31mred.png", "ä ö.png", "a\nb", "%s {x}.jpg", "-x.eps"])
def test_a_name_does_not_matter(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(SMALL["TIFF"])
    assert np.array_equal(read_picture(tmp_path / name).pixels, GREY)


def test_warnings_and_log_lines_of_pillow_stay_inside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "PIL")
    read_bytes(tmp_path, SMALL["PNG"])
    cut_exif = chunk(b"eXIf", b"II*\0\x08\0\0\0\x09\0")
    assert np.array_equal(read_bytes(tmp_path, png(GREY, 8, extra=cut_exif)), GREY)
    with pytest.raises(DataFormatError, match="is not a picture"):
        read_bytes(tmp_path, tiff(BRIGHT, 8, tags={277: 90}))
    assert not caplog.records
    assert logging.getLogger("PIL").level == logging.DEBUG
    assert capfd.readouterr() == ("", "")
