"""ignite's DiskSaver, which its Checkpoint handler saves with."""

from __future__ import annotations

from pathlib import Path

import torch
from ignite.handlers import DiskSaver

from benchmarks.faults.savers.saver import Saver
from benchmarks.faults.savers.state import numbers, tensors


class Ignite(Saver):
    """One file that each save replaces; `atomic=True` is the default."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.saver = DiskSaver(folder, require_empty=False)

    def save(self, number: int) -> None:
        self.saver(tensors(number), "state.pt")

    def load(self) -> list[float]:
        return numbers(torch.load(self.folder / "state.pt", weights_only=True).values())
