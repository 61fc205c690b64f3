"""skorch's save_params, which its Checkpoint callback saves with."""

from __future__ import annotations

from pathlib import Path

import torch
from skorch import NeuralNet
from skorch.history import History
from torch import nn

from benchmarks.faults.savers.saver import Saver
from benchmarks.faults.savers.state import Parts, fill, held, numbers


class Skorch(Saver):
    """Weights, optimizer and history, in three files that each save overwrites."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.files = {
            "f_params": str(folder / "params.pt"),
            "f_optimizer": str(folder / "optimizer.pt"),
            "f_history": str(folder / "history.json"),
        }
        self.net = NeuralNet(
            Parts,
            criterion=nn.MSELoss,
            optimizer=torch.optim.SGD,
            optimizer__momentum=0.9,
            verbose=0,
        ).initialize()

    def save(self, number: int) -> None:
        fill(self.net.module_, self.net.optimizer_, number)
        self.net.history_ = History()
        self.net.history.new_epoch()
        self.net.history.record("epoch", number)
        self.net.save_params(**self.files)

    def load(self) -> list[float]:
        self.net.load_params(**self.files)
        epoch = torch.tensor(float(self.net.history[-1, "epoch"]))
        return numbers([*held(self.net.module_, self.net.optimizer_), epoch])
