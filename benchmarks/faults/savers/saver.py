"""What every saver can do."""

from __future__ import annotations

import abc
from pathlib import Path

from benchmarks.faults.preloaded import preload

preload()


class Saver(abc.ABC):
    """A way to save a state into a folder, again and again.

    Args:
        folder: belongs to this saver and those of other processes before it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod  # noqa: B027 - not abstract: most savers need no check
    def check(cls) -> None:
        """Called once, before there are any savers.

        Raises:
            NotPossibleError: this machine lacks what it takes.
        """

    @abc.abstractmethod
    def save(self, number: int) -> None:
        """Saves a state, every tensor of which holds `number`."""

    @abc.abstractmethod
    def load(self) -> list[float]:
        """Loads what is there and returns the numbers of all saves that it holds parts of.

        Raises:
            Exception: it cannot be loaded.
        """
