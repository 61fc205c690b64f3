"""The images that predictions are about: looked up in the data by the hash of their pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fmnistlab.data.content_hash import image_hashes
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.source import load_data
from fmnistlab.errors import ConfigurationError, DataError
from fmnistlab.experiments.records.config import BUNDLED, DataRecord
from fmnistlab.shapes import Int64, UInt8


class FoundImages(NamedTuple):
    """Pictures for rows of predictions.

    Attributes:
        images: uint8 (images, 28, 28).
        rows: which of them belongs to each row of the predictions; -1 for none.
        note: what could not be found, in words; None if all was.
    """

    images: UInt8[np.ndarray, "images 28 28"]
    rows: Int64[np.ndarray, "rows"]
    note: str | None


def read_test_set(record: DataRecord) -> FashionMNISTCSV:
    """Returns the test set of a run, read again from where it was.

    Raises:
        DataError: it is no longer there, or not as it was.
        ConfigurationError: it cannot be split as it was.
    """
    if record.test_source is not None:
        return FashionMNISTCSV(record.test_source)
    if record.source == BUNDLED:
        return FashionMNISTCSV.bundled("test")
    return load_data(**record.places())[1]


def find_images(record: DataRecord, hashes: UInt8[np.ndarray, "rows 32"]) -> FoundImages:
    """Returns the images with some hashes, as far as the data of a run still holds them.

    Args:
        record: where the data was.
        hashes: names of images, as of `image_hashes`.
    """
    nothing = np.zeros((0, 28, 28), np.uint8)
    missing = np.full(len(hashes), -1, np.int64)
    try:
        images = read_test_set(record).data.numpy()
    except (DataError, ConfigurationError) as error:
        return FoundImages(nothing, missing, f"There are no pictures: {error}")
    known = {bytes(name): row for row, name in enumerate(image_hashes(images))}
    rows = np.array([known.get(bytes(name), -1) for name in hashes], np.int64)
    lost = int((rows < 0).sum())
    note = f"{lost:,} of {len(rows):,} images are no longer in the data." if lost else None
    return FoundImages(images, rows, note)
