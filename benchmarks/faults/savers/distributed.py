"""torch.distributed.checkpoint in one process."""

from __future__ import annotations

from torch.distributed import checkpoint

from benchmarks.faults.savers.saver import Saver
from benchmarks.faults.savers.state import numbers, tensors


class Same(Saver):
    """Each save overwrites the one before it in the same folder, which `overwrite=True` allows."""

    def save(self, number: int) -> None:
        checkpoint.state_dict_saver.save(tensors(number), checkpoint_id=self.folder / "state")

    def load(self) -> list[float]:
        state = tensors(-1)
        checkpoint.state_dict_loader.load(state, checkpoint_id=self.folder / "state")
        return numbers(state.values())
