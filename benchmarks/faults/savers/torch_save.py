"""torch.save, in place and by way of a temporary file."""

from __future__ import annotations

import torch

from benchmarks.faults.savers.saver import Saver
from benchmarks.faults.savers.state import numbers, tensors


class InPlace(Saver):
    """One file that each save overwrites."""

    def save(self, number: int) -> None:
        torch.save(tensors(number), self.folder / "state.pt")

    def load(self) -> list[float]:
        return numbers(torch.load(self.folder / "state.pt", weights_only=True).values())


class Replaced(InPlace):
    """A temporary file beside it takes its place when it is whole."""

    def save(self, number: int) -> None:
        torch.save(tensors(number), self.folder / "state.tmp")
        (self.folder / "state.tmp").replace(self.folder / "state.pt")
