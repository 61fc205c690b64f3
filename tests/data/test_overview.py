"""A data set in a notebook: its classes, and the first image of each."""

from __future__ import annotations

import base64
import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.datasets import dataset_of
from tests.html_page import HOSTILE, Page, checked

from fmnistlab.data.schema import CLASS_NAMES


def pictures_of(page: Page) -> list[np.ndarray]:
    sources = [attributes["src"] for tag, attributes in page.elements if tag == "img"]
    files = [base64.b64decode(str(source).partition(",")[2]) for source in sources]
    return [np.asarray(Image.open(io.BytesIO(file))) for file in files]


def test_a_notebook_shows_its_classes_and_the_first_image_of_each() -> None:
    dataset = dataset_of(33, name="mine").select(range(5, 33))
    page = checked(dataset._repr_html_())
    counts = dataset.targets.bincount(minlength=10).tolist()
    assert page.rows == [
        ["source", "mine, selection"],
        ["items", "28, each an image of 1 x 28 x 28 in 0..1 and a label"],
        ["class", *CLASS_NAMES],
        ["label", *map(str, range(10))],
        ["images", *map(str, counts)],
        ["the first", *[""] * 10],
    ]
    for label, picture in enumerate(pictures_of(page)):
        first = int((dataset.targets == label).nonzero()[0])
        np.testing.assert_array_equal(picture, dataset.data[first].numpy())


def test_a_class_without_images_has_no_picture() -> None:
    page = checked(dataset_of(2)._repr_html_())
    assert len(pictures_of(page)) == 2
    assert page.rows[-1] == ["the first", "", "", *["-"] * 8]


def test_without_pillow_a_notebook_shows_the_classes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    page = checked(dataset_of(20)._repr_html_())
    assert page.rows[-1] == ["images", *["2"] * 10]
    assert not pictures_of(page)


class Unprintable(torch.nn.Module):
    def __repr__(self) -> str:
        raise ValueError("no")


def test_names_and_transforms_act_on_no_page_and_the_whole_stays_small() -> None:
    dataset = dataset_of(10, name=HOSTILE * 100, transform=Unprintable())
    content = dataset._repr_html_()
    assert ["transform", "(its text cannot be shown)"] in checked(content).rows
    assert len(content.encode()) < 20_000  # these images are noise, which is never packed well
