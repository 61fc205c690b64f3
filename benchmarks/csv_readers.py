"""Ways to read the CSV file of 60,000 images.

Each function imports what it needs and returns the reading itself, so that imports are not timed.
A reading ends in labels and pixels as uint8: one array (n, 785), or a pair (n,) and (n, 28, 28).
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Reading: TypeAlias = Callable[[str], "np.ndarray | tuple[np.ndarray, np.ndarray]"]
"""Reads the file at a path."""


def strict() -> Reading:
    """Reads with all checks, and keeps nothing for the next time."""
    return _of_fmnistlab("fmnistlab.data.csv_file", "read_csv")


def strict_and_kept() -> Reading:
    """Reads with all checks and fills the cache, which is empty before."""
    os.environ["FMNISTLAB_CACHE"] = tempfile.mkdtemp(dir=os.environ["FMNISTLAB_CACHE"])
    return cached()


def cached() -> Reading:
    """Reads from the cache, if it was filled before."""
    return _of_fmnistlab("fmnistlab.data.cache", "read_cached")


def pandas_plain() -> Reading:
    """Reads with all defaults and converts what came out, int64."""
    pandas = importlib.import_module("pandas")
    return lambda path: pandas.read_csv(path).to_numpy().astype("uint8")


def pandas_bytes() -> Reading:
    """Reads into bytes at once."""
    pandas = importlib.import_module("pandas")
    return lambda path: pandas.read_csv(path, dtype="uint8").to_numpy()


def polars_bytes() -> Reading:
    """Reads into bytes at once."""
    polars = importlib.import_module("polars")
    return lambda path: polars.read_csv(path, schema_overrides=[polars.UInt8] * 785).to_numpy()


def pyarrow_bytes() -> Reading:
    """Reads into columns of bytes at once and puts them side by side."""
    numpy = importlib.import_module("numpy")
    pyarrow = importlib.import_module("pyarrow")
    csv = importlib.import_module("pyarrow.csv")
    names = ["label", *(f"pixel{number}" for number in range(1, 785))]
    options = csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.uint8()))

    def read(path: str) -> np.ndarray:
        columns = csv.read_csv(path, convert_options=options).columns
        return numpy.column_stack([column.to_numpy() for column in columns])

    return read


class Reader(NamedTuple):
    """How a reader is found.

    Attributes:
        label: its name in tables.
        prepare: imports what it needs and returns the reading.
        packages: what must be installed beside fmnistlab, by import name.
    """

    label: str
    prepare: Callable[[], Reading]
    packages: tuple[str, ...] = ()


READERS = {
    "fmnistlab": Reader("fmnistlab, without cache", strict),
    "fmnistlab_first": Reader("fmnistlab, first read, fills the cache", strict_and_kept),
    "fmnistlab_cached": Reader("fmnistlab, later reads", cached),
    "pandas": Reader("pandas", pandas_plain),
    "pandas_uint8": Reader("pandas, dtype uint8", pandas_bytes),
    "polars": Reader("polars, UInt8", polars_bytes, ("polars",)),
    "pyarrow": Reader("pyarrow, uint8", pyarrow_bytes, ("pyarrow",)),
}
"""All readers by name, in the order of their turns."""


def _of_fmnistlab(module: str, name: str) -> Reading:
    importlib.import_module("pandas")  # it is imported at the first read, which is timed
    read: Callable[[str], Any] = getattr(importlib.import_module(module), name)

    def pair(path: str) -> tuple[np.ndarray, np.ndarray]:
        found = read(path)
        return found.labels, found.images

    return pair
