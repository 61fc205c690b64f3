"""Which training and test set a path means."""

from __future__ import annotations

import os
from pathlib import Path

from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.errors import DataFileError

TEST_FRACTION = 0.2
"""Part of a single file that is held out as test set."""

TEST_SEED = 42
"""Seed of that split."""

_SUFFIXES = (".csv", ".csv.gz", ".csv.xz", ".csv.bz2", ".csv.zip")


def load_data(path: Path | None = None) -> tuple[FashionMNISTCSV, FashionMNISTCSV]:
    """Returns the training and the test set.

    Args:
        path: None for the 60,000 + 10,000 images that ship with the package; a folder with
            `fashion-mnist_train.csv` and `fashion-mnist_test.csv` (plain, .gz, .xz, .bz2, .zip);
            or a single file, of which a stratified fifth is held out as test set.

    Raises:
        DataFileError: nothing is there, or the folder lacks one of the two files.
        DataFormatError: a file breaks the format.
        ConfigurationError: a single file has too few images of some class to be split.
    """
    if path is None:
        return FashionMNISTCSV.bundled("train"), FashionMNISTCSV.bundled("test")
    if os.path.isdir(path):  # noqa: PTH112 - raises nothing for a name that is too long
        return FashionMNISTCSV(_find(path, "train")), FashionMNISTCSV(_find(path, "test"))
    return FashionMNISTCSV(path).split(TEST_FRACTION, TEST_SEED)


def _find(folder: Path, part: str) -> Path:
    names = [f"fashion-mnist_{part}{suffix}" for suffix in _SUFFIXES]
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise DataFileError(
        f"{folder}: there is no {names[0]} in this folder (nor one that ends in .gz, .xz, .bz2 or "
        ".zip). Put it there, or name a single CSV file."
    )
