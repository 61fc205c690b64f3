"""ignite: DeterministicEngine with a Checkpoint handler."""

from __future__ import annotations

import torch
from ignite.engine import Events
from ignite.engine.deterministic import DeterministicEngine
from ignite.handlers import Checkpoint, DiskSaver
from ignite.utils import manual_seed
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from benchmarks.faults.scripts.script import TorchScript
from benchmarks.faults.scripts.start import Start
from benchmarks.faults.scripts.task import (
    BATCH_SIZE,
    EPOCHS,
    LEARNING_RATE,
    digest,
    images,
    network,
)


class Ignite(TorchScript):
    """Saves model, optimizer and engine after each iteration, as "Resume training" shows it.

    Args:
        start: as for every script.
        workers: processes of the DataLoader.
    """

    def __init__(self, start: Start, *, workers: int) -> None:
        super().__init__(start)
        self.workers = workers

    def run(self) -> str:
        manual_seed(self.start.seed)
        model = network(self.start.dropout)
        optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE)
        loader = DataLoader(images(), batch_size=BATCH_SIZE, shuffle=True, num_workers=self.workers)

        def step(engine: DeterministicEngine, batch: tuple[Tensor, Tensor]) -> float:
            model.train()
            optimizer.zero_grad()
            loss = cross_entropy(model(batch[0]), batch[1])
            loss.backward()
            optimizer.step()
            return loss.item()

        trainer = DeterministicEngine(step)
        saved = {"model": model, "optimizer": optimizer, "trainer": trainer}
        saver = DiskSaver(self.start.folder, require_empty=False)
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED,
            Checkpoint(saved, saver, n_saved=None, filename_pattern="{global_step}.{ext}"),
        )
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED, lambda engine: self.start.after_save(engine.state.iteration)
        )
        newest = max((int(path.stem) for path in self.start.folder.glob("*.pt")), default=None)
        if newest is not None:
            # Given the path, load_objects refuses the NumPy array among the random states.
            content = torch.load(self.start.folder / f"{newest}.pt", weights_only=False)
            Checkpoint.load_objects(to_load=saved, checkpoint=content)
        trainer.run(loader, max_epochs=EPOCHS)
        return digest(model)
