"""Accelerate: save_state, load_state and what it offers to find the batch again."""

from __future__ import annotations

import accelerate
import torch
from accelerate.utils import DataLoaderConfiguration, set_seed
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from benchmarks.faults.scripts.script import TorchScript
from benchmarks.faults.scripts.start import Start
from benchmarks.faults.scripts.task import (
    BATCH_SIZE,
    EPOCHS,
    LEARNING_RATE,
    STEPS_PER_EPOCH,
    digest,
    images,
    network,
)


class Accelerate(TorchScript):
    """The loop of Accelerate's guide to checkpoints.

    A step inside an epoch is saved in the loop, the last one of an epoch when the loop is over,
    which is what suits Accelerate best.

    Args:
        start: as for every script.
        seedable: whether the order comes from `use_seedable_sampler` and `set_epoch`.
        stateful: whether the loader saves its own state, so that no batch is skipped by hand.
    """

    def __init__(self, start: Start, *, seedable: bool = False, stateful: bool = False) -> None:
        super().__init__(start)
        self.seedable, self.stateful = seedable, stateful

    def run(self) -> str:
        set_seed(self.start.seed)
        configuration = DataLoaderConfiguration(
            use_seedable_sampler=self.seedable, use_stateful_dataloader=self.stateful
        )
        accelerator = accelerate.Accelerator(cpu=True, dataloader_config=configuration)
        model = network(self.start.dropout)
        optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE)
        loader = DataLoader(images(), batch_size=BATCH_SIZE, shuffle=True)
        model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
        step = max((int(path.name) for path in self.start.folder.iterdir()), default=0)
        if step:
            accelerator.load_state(str(self.start.folder / str(step)))
        begun, skipped = divmod(step, STEPS_PER_EPOCH)
        model.train()
        for epoch in range(begun, EPOCHS):
            if self.seedable:
                loader.set_epoch(epoch)
            batches = loader
            if skipped and epoch == begun and not self.stateful:
                batches = accelerator.skip_first_batches(loader, skipped)
            for batch, labels in batches:
                optimizer.zero_grad()
                accelerator.backward(cross_entropy(model(batch), labels))
                optimizer.step()
                step += 1
                if step % STEPS_PER_EPOCH:
                    self._save(accelerator, step)
            self._save(accelerator, step)
        return digest(accelerator.unwrap_model(model))

    def _save(self, accelerator: accelerate.Accelerator, step: int) -> None:
        accelerator.save_state(str(self.start.folder / str(step)))
        self.start.after_save(step)
