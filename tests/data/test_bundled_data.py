"""The data that ships with the package is the original data."""

from __future__ import annotations

import hashlib
import lzma
import re
import struct
from importlib import resources

import numpy as np
import pytest
import torch

from fmnistlab import FashionMNISTCSV
from fmnistlab.data.csv_file import csv_text
from fmnistlab.data.schema import PIXEL_MEAN, PIXEL_STD

FOLDER = resources.files("fmnistlab") / "data" / "bundled"
PARTS = {"train": 60_000, "test": 10_000}
DIGESTS = {
    digest.partition("  ")[2]: digest.partition("  ")[0]
    for digest in """\
6ed5a46201d608bb6436586a81048c90986109f9b9be1dad102b3f14ba61f85a  fashion-mnist_train.csv.xz
9b4c3051424ce1d78ff509d54017e2673b27260ea874c5ae9b364c0c1dc8a1b1  fashion-mnist_train.csv
0c69d5cdeb902b69084012f812f066de080317bb3c64f43ca87f910d8ec86906  fingerprint of train
abaa345c86f47e7fe9dd98a74bb3522111e9993bb85363ccb493cf0ad39f1ccb  fashion-mnist_test.csv.xz
a269a18ad7ac639afde1ab2e65f83dd38a4fc321d057cf7039df1e5cff241e91  fashion-mnist_test.csv
90c92c0507755a7d443edde8297ce4d0f131e42884e2e87e7fc9b81ffe215258  fingerprint of test
""".splitlines()
}
IDX_DIGESTS = {
    # SHA-256 of the original project's files, decompressed
    ("train", "images"): "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ("train", "labels"): "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ("test", "images"): "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ("test", "labels"): "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


@pytest.fixture(scope="module", params=PARTS)
def part(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def dataset(part: str) -> FashionMNISTCSV:
    return FashionMNISTCSV.bundled(part)


def test_the_files_are_the_ones_that_were_built(part: str) -> None:
    packed = (FOLDER / f"fashion-mnist_{part}.csv.xz").read_bytes()
    assert hashlib.sha256(packed).hexdigest() == DIGESTS[f"fashion-mnist_{part}.csv.xz"]
    text = lzma.decompress(packed)
    assert hashlib.sha256(text).hexdigest() == DIGESTS[f"fashion-mnist_{part}.csv"]
    assert text.count(b"\n") == PARTS[part] + 1


def test_the_readme_names_them() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = {name: digest for digest, name in re.findall(r"^(\w{64})  (.+)$", readme, re.M)}
    assert named == DIGESTS
    assert "Copyright (c) 2017 Zalando SE" in (FOLDER / "LICENSE").read_text(encoding="utf-8")


def test_the_content_is_that_of_the_original_files(part: str, dataset: FashionMNISTCSV) -> None:
    images, labels = dataset.data.numpy(), dataset.targets.numpy().astype(np.uint8)
    idx_images = struct.pack(">4I", 0x803, len(images), 28, 28) + images.tobytes()
    idx_labels = struct.pack(">2I", 0x801, len(labels)) + labels.tobytes()
    assert hashlib.sha256(idx_images).hexdigest() == IDX_DIGESTS[part, "images"]
    assert hashlib.sha256(idx_labels).hexdigest() == IDX_DIGESTS[part, "labels"]


def test_they_read_as_a_balanced_data_set(part: str, dataset: FashionMNISTCSV) -> None:
    assert len(dataset) == PARTS[part]
    assert dataset.targets.bincount().tolist() == [PARTS[part] // 10] * 10
    assert dataset.fingerprint == DIGESTS[f"fingerprint of {part}"]
    assert dataset.name == f"bundled {part} set"
    assert f"10, {PARTS[part] // 10:,} items each" in repr(dataset)


def test_writing_them_gives_the_text_they_came_from(part: str, dataset: FashionMNISTCSV) -> None:
    digest = hashlib.sha256()
    for piece in csv_text(dataset.data.numpy(), dataset.targets.to(torch.uint8).numpy()):
        digest.update(piece)
    assert digest.hexdigest() == DIGESTS[f"fashion-mnist_{part}.csv"]


def test_the_statistics_of_the_schema_are_those_of_the_training_images() -> None:
    pixels = FashionMNISTCSV.bundled("train").data.double() / 255
    assert round(pixels.mean().item(), 5) == PIXEL_MEAN
    assert round(pixels.std(correction=0).item(), 5) == PIXEL_STD


def test_the_tutorial_split_has_48_000_and_12_000_items() -> None:
    fit_set, valid_set = FashionMNISTCSV.bundled("train").split(valid_fraction=0.2, seed=42)
    assert fit_set.targets.bincount().tolist() == [4800] * 10
    assert valid_set.targets.bincount().tolist() == [1200] * 10


def test_options_are_passed_on_and_the_cache_can_be_left_out() -> None:
    image, target = FashionMNISTCSV.bundled(
        "test", transform=torch.neg, target_transform=torch.neg, one_hot=True, cache=False
    )[0]
    assert image.min() == -1
    assert target.tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 0, -1]


def test_the_classes_have_the_names_that_the_data_sets_authors_gave_them() -> None:
    """The table "Labels" in the README of the original project, zalandoresearch/fashion-mnist."""
    assert dict(enumerate(FashionMNISTCSV.bundled("test").classes)) == {
        0: "T-shirt/top",
        1: "Trouser",
        2: "Pullover",
        3: "Dress",
        4: "Coat",
        5: "Sandal",
        6: "Shirt",
        7: "Sneaker",
        8: "Bag",
        9: "Ankle boot",
    }
