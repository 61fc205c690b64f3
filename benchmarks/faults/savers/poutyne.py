"""The callbacks with which Poutyne's ModelBundle saves after each epoch."""

from __future__ import annotations

from pathlib import Path

import torch
from poutyne import (
    Model,
    ModelCheckpoint,
    OptimizerCheckpoint,
    PeriodicSaveLambda,
    RandomStatesCheckpoint,
    load_random_states,
)
from torch import nn

from benchmarks.faults.savers.saver import Saver
from benchmarks.faults.savers.state import Parts, fill, held, numbers, optimizer_for


class Poutyne(Saver):
    """Weights, optimizer, random states and epoch: four files, each written atomically."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        module = Parts()
        self.module, self.optimizer = module, optimizer_for(module)
        self.model = Model(module, self.optimizer, nn.MSELoss(), device="cpu")
        self.weights = str(folder / "checkpoint.ckpt")
        self.momentum = str(folder / "checkpoint.optim")
        self.random = str(folder / "checkpoint.randomstate")
        self.epoch = folder / "last.epoch"
        self.callbacks = [
            ModelCheckpoint(self.weights),
            OptimizerCheckpoint(self.momentum),
            RandomStatesCheckpoint(self.random),
            PeriodicSaveLambda(
                lambda stream, epoch, logs: print(epoch, file=stream),
                str(self.epoch),
                open_mode="w",
            ),
        ]
        for callback in self.callbacks:
            callback.set_model(self.model)

    def save(self, number: int) -> None:
        fill(self.module, self.optimizer, number)
        for callback in self.callbacks:
            callback.on_epoch_end(number, {})

    def load(self) -> list[float]:
        epoch = int(self.epoch.read_text(encoding="utf-8"))
        self.model.load_weights(self.weights)
        self.model.load_optimizer_state(self.momentum)
        load_random_states(self.random)
        return numbers([*held(self.module, self.optimizer), torch.tensor(float(epoch))])
