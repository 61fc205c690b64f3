"""Lightning's saving, through Fabric; ModelCheckpoint ends in the same function."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import ClassVar

from lightning.fabric import Fabric

from benchmarks.faults.problems import NotPossibleError
from benchmarks.faults.savers.saver import Saver
from benchmarks.faults.savers.state import numbers, tensors

MEMORY = Path("/dev/shm")
"""A file system in memory, which Linux has."""


class SameFileSystem(Saver):
    """One file that each save replaces; temporary files are on the same file system."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fabric = Fabric(accelerator="cpu", devices=1)
        self.path = folder / "state.ckpt"

    def save(self, number: int) -> None:
        self.fabric.save(self.path, tensors(number))

    def load(self) -> list[float]:
        return numbers(self.fabric.load(self.path).values())


class OtherFileSystem(SameFileSystem):
    """Temporary files are in memory, the checkpoint on the disk."""

    temporary: ClassVar[tempfile.TemporaryDirectory[str] | None] = None
    """Removed when the process ends that has called `check`, with all that was left in it."""

    @classmethod
    def check(cls) -> None:
        here = Path(tempfile.gettempdir())
        if not MEMORY.is_dir() or MEMORY.stat().st_dev == here.stat().st_dev:
            raise NotPossibleError(f"{MEMORY} is missing or no other file system")
        cls.temporary = tempfile.TemporaryDirectory(dir=MEMORY, prefix="peers-")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        assert self.temporary is not None
        os.environ["TMPDIR"] = self.temporary.name
        tempfile.tempdir = None  # so that TMPDIR is looked at again
