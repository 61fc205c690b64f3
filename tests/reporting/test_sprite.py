"""Pictures of a page, read back by Pillow."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fmnistlab.reporting.sprite import COLUMNS, Sprite, grey_png

IMAGES = np.random.default_rng(0).integers(0, 256, (100, 28, 28), dtype=np.uint8)


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "L")
        picture.load()
        return np.asarray(picture)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_pillow_reads_what_was_written(height: int, width: int, seed: int) -> None:
    grey = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    assert (pixels(grey_png(grey)) == grey).all()


@given(st.lists(st.integers(0, 99), min_size=1, max_size=120))
def test_each_image_is_where_it_was_put_and_only_once(rows: list[int]) -> None:
    sprite = Sprite(IMAGES)
    places = [sprite.place(row) for row in rows]
    assert len(sprite) == len(set(rows)) == len(set(places))
    sheet = pixels(sprite.png())
    assert sheet.shape[1] == 28 * COLUMNS
    for row, place in zip(rows, places, strict=True):
        cut = sheet[28 * place.y : 28 * place.y + 28, 28 * place.x : 28 * place.x + 28]
        assert (cut == IMAGES[row]).all()


def test_more_images_can_be_added() -> None:
    sprite = Sprite(IMAGES[:3])
    place = sprite.place(sprite.add(IMAGES[3:5]) + 1)
    assert place == (0, 0)
    assert (pixels(sprite.png())[:28, :28] == IMAGES[4]).all()
