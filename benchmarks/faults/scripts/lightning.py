"""Lightning: Trainer.fit with ckpt_path."""

from __future__ import annotations

import re
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
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


class Classifier(pl.LightningModule):
    """The network as Lightning wants it."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.network = network(dropout)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), LEARNING_RATE)


class Teller(Callback):
    """Tells that the last step was saved, when the next one begins.

    Lightning calls callbacks that save after all others, so their own turn would be too early. An
    epoch has ended by then, and all that is saved at its end is on the disk.
    """

    def __init__(self, script: Lightning) -> None:
        self.script = script

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.script.start.after_save(trainer.global_step)


class Lightning(TorchScript):
    """Goes on from the newest file that ModelCheckpoint wrote.

    Args:
        start: as for every script.
        stateful: whether the loader is torchdata's StatefulDataLoader, whose state Lightning saves.
        epochs_only: whether ModelCheckpoint saves when an epoch ends, as it does by default, or
            after each step.
    """

    def __init__(self, start: Start, *, stateful: bool = False, epochs_only: bool = False) -> None:
        super().__init__(start)
        self.loader_kind: type[DataLoader[Any]] = DataLoader
        if stateful:
            from torchdata import stateful_dataloader  # noqa: PLC0415 - changes torch's samplers

            self.loader_kind = stateful_dataloader.StatefulDataLoader
        self.frequency = {} if epochs_only else {"every_n_train_steps": 1}

    def run(self) -> str:
        pl.seed_everything(self.start.seed, verbose=False)
        model = Classifier(self.start.dropout)
        loader = self.loader_kind(images(), batch_size=BATCH_SIZE, shuffle=True)
        saving = ModelCheckpoint(self.start.folder, save_top_k=-1, **self.frequency)
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=EPOCHS,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[saving, Teller(self)],
        )
        found = {
            int(match[1]): path
            for path in self.start.folder.iterdir()
            if (match := re.search(r"step=(\d+)", path.name))
        }
        newest = found[max(found)] if found else None
        trainer.fit(model, loader, ckpt_path=newest)
        return digest(model.network)
