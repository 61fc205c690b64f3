"""Poutyne: ModelBundle, which saves weights, optimizer and random states after each epoch."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from poutyne import Callback, Model, ModelBundle, set_seeds
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.faults.scripts.script import TorchScript
from benchmarks.faults.scripts.task import (
    BATCH_SIZE,
    EPOCHS,
    LEARNING_RATE,
    STEPS_PER_EPOCH,
    digest,
    images,
    network,
)


class Teller(Callback):
    """Tells that an epoch was saved; callbacks of the user come after those that save."""

    def __init__(self, script: Poutyne) -> None:
        super().__init__()
        self.script = script

    def on_epoch_end(self, epoch_number: int, logs: dict[str, Any]) -> None:
        self.script.start.after_save(STEPS_PER_EPOCH * epoch_number)


class Poutyne(TorchScript):
    """`ModelBundle.train`, which goes on by itself from what it finds in its folder."""

    epochs_only: ClassVar[bool] = True

    def run(self) -> str:
        set_seeds(self.start.seed)
        model = network(self.start.dropout)
        optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE)
        wrapped = Model(model, optimizer, nn.CrossEntropyLoss(), device="cpu")
        bundle = ModelBundle.from_model(str(self.start.folder), wrapped, monitoring=False)
        bundle.train(
            DataLoader(images(), batch_size=BATCH_SIZE, shuffle=True),
            epochs=EPOCHS,
            seed=self.start.seed,
            callbacks=[Teller(self)],
            disable_tensorboard=True,
            verbose=False,
        )
        return digest(model)
