"""The images that all contenders learn from, as plain arrays that need no library but numpy.

    python -m benchmarks.images_worker FOLDER

writes them once, so that no worker has to import what it takes to read and split them.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.processes import ROOT

if TYPE_CHECKING:
    import numpy as np


class Images(NamedTuple):
    """Images with their classes.

    Attributes:
        pixels: uint8 (n, 28, 28).
        labels: int64 (n,), 0 to 9.
    """

    pixels: np.ndarray
    labels: np.ndarray

    def first(self, count: int) -> Images:
        """Returns the first `count` images, or all if there are fewer."""
        return Images(self.pixels[:count], self.labels[:count])


@contextlib.contextmanager
def image_folder() -> Iterator[Path]:
    """Yields a temporary folder with the images, written by a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.images_worker", folder], cwd=ROOT, check=True
        )
        yield Path(folder)


def load_images(folder: Path, part: str) -> Images:
    """Returns the 48,000 images of the part "fit" or the 12,000 of "valid"."""
    import numpy as np  # noqa: PLC0415 - the parent process needs no numpy and stays small

    return Images(np.load(folder / f"{part}-pixels.npy"), np.load(folder / f"{part}-labels.npy"))
