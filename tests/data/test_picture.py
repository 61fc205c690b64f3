from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fmnistlab.data.picture import read_picture
from fmnistlab.errors import DataFileError, DataFormatError, MissingExtraError
from fmnistlab.testing import tiny_dataset

IMAGE = tiny_dataset().data[3].numpy()


def test_an_image_of_the_right_size_is_read_exactly(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "x.png")
    picture = read_picture(tmp_path / "x.png")
    assert np.array_equal(picture.pixels, IMAGE)
    assert picture.pixels.dtype == np.uint8
    assert not picture.bright_ground


def test_black_and_white_are_swapped_on_demand(tmp_path: Path) -> None:
    Image.fromarray(255 - IMAGE).save(tmp_path / "x.png")
    assert read_picture(tmp_path / "x.png").bright_ground
    swapped = read_picture(tmp_path / "x.png", invert=True)
    assert np.array_equal(swapped.pixels, IMAGE)
    assert not swapped.bright_ground


@pytest.mark.parametrize("size", [(280, 280), (100, 300), (5, 5), (1, 1)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK"])
def test_any_size_and_kind_becomes_28_by_28(
    tmp_path: Path, size: tuple[int, int], mode: str
) -> None:
    name = "x.tif" if mode == "CMYK" else "x.png"
    Image.new(mode, size).save(tmp_path / name)
    assert read_picture(tmp_path / name).pixels.shape == (28, 28)


@pytest.mark.parametrize("invert", [False, True])
def test_transparent_parts_are_ground(tmp_path: Path, *, invert: bool) -> None:
    Image.new("RGBA", (28, 28), (255, 255, 255, 0)).save(tmp_path / "x.png")
    picture = read_picture(tmp_path / "x.png", invert=invert)
    assert picture.pixels.max() == 0
    assert not picture.bright_ground


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("hello")
    with pytest.raises(DataFormatError, match="is not a picture"):
        read_picture(tmp_path / "x.png")
    Image.fromarray(IMAGE).save(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:100])
    with pytest.raises(DataFormatError, match="is damaged"):
        read_picture(tmp_path / "x.png")
    with pytest.raises(DataFileError, match="No such file"):
        read_picture(tmp_path / "nothing.png")
    with pytest.raises(DataFileError, match="directory"):
        read_picture(tmp_path)


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"fmnistlab\[plot\]"):
        read_picture(tmp_path / "x.png")
