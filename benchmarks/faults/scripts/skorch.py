"""skorch: Checkpoint and LoadInitState."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, LoadInitState
from skorch.history import History
from torch import nn

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
    """Tells that an epoch was saved; it stands after Checkpoint."""

    def __init__(self, script: Skorch) -> None:
        self.script = script

    def on_epoch_end(self, net: Any, **ignored: Any) -> None:
        self.script.start.after_save(STEPS_PER_EPOCH * len(net.history))


class Skorch(TorchScript):
    """Saves each epoch; a new start trains the epochs that the saved history lacks."""

    epochs_only: ClassVar[bool] = True

    def run(self) -> str:
        torch.manual_seed(self.start.seed)
        history = self.start.folder / "history.json"
        done = len(History.from_file(str(history))) if history.exists() else 0
        checkpoint = Checkpoint(monitor=None, dirname=str(self.start.folder))
        net = NeuralNetClassifier(
            network,
            module__dropout=self.start.dropout,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            lr=LEARNING_RATE,
            batch_size=BATCH_SIZE,
            iterator_train__shuffle=True,
            train_split=None,
            max_epochs=EPOCHS - done,
            verbose=0,
            callbacks=[
                ("checkpoint", checkpoint),
                ("load", LoadInitState(checkpoint)),
                ("teller", Teller(self)),
            ],
        )
        pixels, labels = images().tensors
        net.fit(pixels, labels)
        return digest(net.module_)
