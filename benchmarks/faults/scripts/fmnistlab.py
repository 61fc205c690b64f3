"""fmnistlab: Checkpointing and fit(resume_from=...)."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks.faults.scripts.script import Script
from benchmarks.faults.scripts.start import Start
from benchmarks.faults.scripts.task import (
    BATCH_SIZE,
    EPOCHS,
    LEARNING_RATE,
    digest,
    images,
    network,
)
from fmnistlab import Recipe, Trainer
from fmnistlab.callbacks import Callback, Checkpointing
from fmnistlab.training.callbacks.run import BatchResult, Run


class Teller(Callback):
    """Counts steps, and tells that one was saved when the next one is made.

    Checkpointing, which comes before it, has waited by then for the thread that writes.
    """

    uses_model = False

    def __init__(self, script: DataSet) -> None:
        self.script = script

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        self.script.steps += 1
        self.script.start.after_save(run.step - 1)


class DataSet(Script):
    """The data set itself is handed over, as the documentation recommends."""

    def run(self) -> str:
        torch.manual_seed(self.start.seed)
        recipe = Recipe(
            epochs=EPOCHS,
            batch_size=BATCH_SIZE,
            optimizer="adamw",
            learning_rate=LEARNING_RATE,
            weight_decay=0.01,
        )
        saving = Checkpointing(self.start.folder, every_steps=1)
        model = network(self.start.dropout)
        callbacks = [saving, Teller(self)]
        trainer = Trainer(model, recipe, device="cpu", seed=self.start.seed, callbacks=callbacks)
        begun = any(self.start.folder.glob("step-*.safetensors"))
        trainer.fit(self.data(), resume_from=self.start.folder if begun else None)
        return digest(model)

    def data(self) -> Any:
        """Returns what is handed over."""
        return images()


class Loader(DataSet):
    """A DataLoader that shuffles is handed over.

    Args:
        start: as for every script.
        workers: processes of the DataLoader.
    """

    def __init__(self, start: Start, *, workers: int = 0) -> None:
        super().__init__(start)
        self.workers = workers

    def data(self) -> DataLoader[Any]:
        return DataLoader(images(), batch_size=BATCH_SIZE, shuffle=True, num_workers=self.workers)
