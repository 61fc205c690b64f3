"""safetensors' save_file."""

from __future__ import annotations

from safetensors.torch import load_file, save_file

from benchmarks.faults.savers.saver import Saver
from benchmarks.faults.savers.state import numbers, tensors


class Safetensors(Saver):
    """One file that each save overwrites."""

    def save(self, number: int) -> None:
        save_file(tensors(number), self.folder / "state.safetensors")

    def load(self) -> list[float]:
        return numbers(load_file(self.folder / "state.safetensors").values())
