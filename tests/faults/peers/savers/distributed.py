"""torch.distributed.checkpoint in one process."""

from __future__ import annotations

from tests.faults.peers.savers.saver import Saver
from tests.faults.peers.savers.state import numbers, tensors
from torch.distributed import checkpoint


class Same(Saver):
    """Each save overwrites the one before it in the same folder, which `overwrite=True` allows."""

    def save(self, number: int) -> None:
        checkpoint.save(tensors(number), checkpoint_id=self.folder / "state")

    def load(self) -> list[float]:
        state = tensors(-1)
        checkpoint.load(state, checkpoint_id=self.folder / "state")
        return numbers(state.values())
