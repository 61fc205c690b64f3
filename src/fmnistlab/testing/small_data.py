"""Made-up data sets that are small and easy to learn."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from fmnistlab.data.csv_file import write_csv
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.schema import IMAGE_SIZE, NUM_CLASSES
from fmnistlab.foundation.checks import whole_number
from fmnistlab.seeding import checked_seed


def tiny_dataset(rows: int = 40, seed: int = 0) -> FashionMNISTCSV:
    """Returns made-up images that are easy to learn: the class is told by a bright line.

    Args:
        rows: number of images, 1 to 1,000,000; labels go round 0 to 9.
        seed: of the dark noise around the line, 0 to 2**63 - 1.

    Raises:
        ConfigurationError: a number is out of range.
    """
    rows, seed = whole_number("rows", rows, most=1_000_000), checked_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % NUM_CLASSES
    shape = (rows, IMAGE_SIZE, IMAGE_SIZE)
    images = torch.randint(0, 100, shape, generator=generator, dtype=torch.uint8)
    images[torch.arange(rows), 2 * labels] = 255
    return FashionMNISTCSV.from_arrays(images.numpy(), labels.to(torch.uint8).numpy(), name="tiny")


def write_tiny_csv(path: str | os.PathLike[str], rows: int = 40, seed: int = 0) -> Path:
    """Writes `tiny_dataset` as a CSV file and returns its path.

    Args:
        path: the file; its ending chooses the container, as for `FashionMNISTCSV.to_csv`.
        rows: number of images.
        seed: of the noise.
    """
    data = tiny_dataset(rows, seed)
    write_csv(path, data.data.numpy(), data.targets.to(torch.uint8).numpy())
    return Path(path)
