from __future__ import annotations

from pathlib import Path

import pytest

from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.source import load_data
from fmnistlab.errors import ConfigurationError, DataFileError
from fmnistlab.testing import write_tiny_csv


@pytest.fixture
def files(here: Path) -> tuple[Path, Path]:
    return write_tiny_csv("a.csv", rows=40), write_tiny_csv("b.CSV.gz", rows=20, seed=1)


def test_two_files_of_any_names_are_training_and_test_set(files: tuple[Path, Path]) -> None:
    train, test = load_data(train="a.csv", test=files[1])
    assert (len(train), len(test)) == (40, 20)
    assert test.fingerprint == FashionMNISTCSV(files[1]).fingerprint


def test_both_or_neither_and_no_folder_beside_them(files: tuple[Path, Path]) -> None:
    one, other = files
    for given in ({"train": one}, {"test": other}, {"data": one, "train": one, "test": other}):
        with pytest.raises(ConfigurationError, match="train and test belong together"):
            load_data(**given)


def test_one_file_cannot_be_both(files: tuple[Path, Path]) -> None:
    Path("link.csv").symlink_to("a.csv")
    for name in ("a.csv", "./a.csv", "link.csv"):
        with pytest.raises(ConfigurationError, match=r"is the training set too.*test=\.\.\."):
            load_data(train="a.csv", test=name)
    with pytest.raises(DataFileError, match=r"nothing\.csv"):
        load_data(train="a.csv", test="nothing.csv")
