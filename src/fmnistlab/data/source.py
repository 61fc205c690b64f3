"""Which training and test set a path, or two, mean."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TypeAlias

from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.errors import ConfigurationError, DataFileError
from fmnistlab.foundation.wording import setting

FilePath: TypeAlias = str | os.PathLike[str]

TEST_FRACTION = 0.2
"""Part of a single file that is held out as test set."""

TEST_SEED = 42
"""Seed of that split."""

_SUFFIXES = (".csv", ".csv.gz", ".csv.xz", ".csv.bz2", ".csv.zip")


def load_data(
    data: FilePath | None = None,
    *,
    train: FilePath | None = None,
    test: FilePath | None = None,
) -> tuple[FashionMNISTCSV, FashionMNISTCSV]:
    """Returns the training and the test set.

    Args:
        data: None for the 60,000 + 10,000 images that ship with the package; a folder with
            `fashion-mnist_train.csv` and `fashion-mnist_test.csv` (plain, .gz, .xz, .bz2, .zip);
            or a single file, of which a stratified fifth is held out as test set.
        train: the training set, a CSV file of any name; it needs `test`, and no `data`.
        test: the test set, likewise.

    Raises:
        DataFileError: nothing is there, or the folder lacks one of the two files.
        DataFormatError: a file breaks the format.
        ConfigurationError: a single file has too few images of some class to be split; `train` and
            `test` are not both given, are one file, or stand beside `data`.
    """
    if train is not None or test is not None:
        return _load_both(data, train, test)
    if data is None:
        return FashionMNISTCSV.bundled("train"), FashionMNISTCSV.bundled("test")
    if os.path.isdir(data):  # noqa: PTH112 - raises nothing for a name that is too long
        folder = Path(data)
        return FashionMNISTCSV(_find(folder, "train")), FashionMNISTCSV(_find(folder, "test"))
    return FashionMNISTCSV(data).split(TEST_FRACTION, TEST_SEED)


def _load_both(
    data: FilePath | None, train: FilePath | None, test: FilePath | None
) -> tuple[FashionMNISTCSV, FashionMNISTCSV]:
    if data is not None or train is None or test is None:
        raise ConfigurationError(
            f"{setting('train')} and {setting('test')} belong together, each with a CSV file, and "
            f"stand in the place of {setting('data')}."
        )
    with contextlib.suppress(OSError):  # reading says it better
        if Path(train).samefile(test):
            raise ConfigurationError(
                f"{os.fspath(test)}: is the training set too, so it would say nothing about other "
                f"images. Name another file with {setting('test', ...)}, or the one file with "
                f"{setting('data', ...)}: a fifth of it is then held out."
            )
    return FashionMNISTCSV(train), FashionMNISTCSV(test)


def _find(folder: Path, part: str) -> Path:
    names = [f"fashion-mnist_{part}{suffix}" for suffix in _SUFFIXES]
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise DataFileError(
        f"{folder}: there is no {names[0]} in this folder (nor one that ends in .gz, .xz, .bz2 or "
        ".zip). Put it there, or name a single CSV file."
    )
