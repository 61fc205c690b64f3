"""fmnistlab's checkpoint file."""

from __future__ import annotations

import torch

from benchmarks.faults.savers.saver import Saver
from benchmarks.faults.savers.state import numbers, tensors
from fmnistlab.training.checkpoints.file import (
    decode_checkpoint,
    encode_checkpoint,
    read_checkpoint,
    write_checkpoint,
)


class Fmnistlab(Saver):
    """One file that each save replaces."""

    def save(self, number: int) -> None:
        data = encode_checkpoint(tensors(number), {"number": number})
        write_checkpoint(self.folder / "state.safetensors", data)

    def load(self) -> list[float]:
        path = self.folder / "state.safetensors"
        found = decode_checkpoint(read_checkpoint(path), path)
        return numbers([*found.tensors.values(), torch.tensor(float(found.state["number"]))])
