"""Writes the images of `benchmarks.images`, in a process of its own.

python -m benchmarks.images_worker FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from fmnistlab import FashionMNISTCSV


def main(folder: Path) -> None:
    """Writes pixels and labels of both parts as NumPy files."""
    fit, valid = FashionMNISTCSV.bundled("train").split()
    for part, data in (("fit", fit), ("valid", valid)):
        np.save(folder / f"{part}-pixels.npy", data.data.numpy())
        np.save(folder / f"{part}-labels.npy", data.targets.numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
