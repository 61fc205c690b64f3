"""A source of three rows, what is cached of it, and what the log says of that."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from fmnistlab.data.cache import read_cached
from fmnistlab.data.csv_file import FashionTable


def table_of(count: int = 3, seed: int = 0) -> FashionTable:
    numbers = np.random.default_rng(seed)
    images = numbers.integers(100, 256, (count, 28, 28), dtype=np.uint8)
    return FashionTable(images, numbers.integers(0, 10, count, dtype=np.uint8))


def entries(folder: Path) -> list[Path]:
    """What is in the cache folder besides the lock files, which are empty."""
    found = list(folder.iterdir())
    assert all(path.stat().st_size == 0 for path in found if path.suffix == ".lock")
    return [path for path in found if path.suffix != ".lock"]


def use_is_logged(caplog: pytest.LogCaptureFixture, path: Path) -> tuple[FashionTable, str]:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "fmnistlab"):
        table = read_cached(path)
    return table, caplog.text
