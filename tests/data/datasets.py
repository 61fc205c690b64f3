"""Small data sets of noise for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from fmnistlab.data.dataset import FashionMNISTCSV


def images_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def dataset_of(count: int = 20, **options: Any) -> FashionMNISTCSV:
    labels = np.arange(count, dtype=np.uint8) % 10
    return FashionMNISTCSV.from_arrays(images_of(count), labels, **options)
