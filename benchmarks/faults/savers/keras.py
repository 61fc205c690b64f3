"""Keras on torch: save_weights and BackupAndRestore."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np

from benchmarks.faults.savers.saver import Saver

WIDTH = 173
"""Five dense layers of this width have 151,000 weights."""


class Weights(Saver):
    """One .weights.h5 file that each save overwrites."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        layers = [keras.layers.Dense(WIDTH) for _ in range(5)]
        self.model = keras.Sequential([keras.Input((WIDTH,)), *layers])
        self.model.compile("sgd", "mse")
        self.fill(-1)

    def fill(self, number: float) -> None:
        """Puts the number of a save into all weights."""
        weights = [np.full_like(array, number) for array in self.model.get_weights()]
        self.model.set_weights(weights)

    def held(self) -> set[float]:
        """Returns the numbers of all saves that the weights come from."""
        return {float(value) for array in self.model.get_weights() for value in np.unique(array)}

    def save(self, number: int) -> None:
        self.fill(number)
        self.model.save_weights(self.folder / "state.weights.h5", overwrite=True)

    def load(self) -> list[float]:
        self.model.load_weights(self.folder / "state.weights.h5")
        return sorted(self.held())


class Backup(Weights):
    """BackupAndRestore as `fit` calls it: two files that each save overwrites, and copies of both.

    The number of the epoch, which it restores too, is the number of the save.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.backup = keras.callbacks.BackupAndRestore(str(folder), double_checkpoint=True)
        self.backup.set_model(self.model)

    def save(self, number: int) -> None:
        self.fill(number)
        self.backup.on_epoch_end(number - 1)

    def load(self) -> list[float]:
        self.backup.on_train_begin()
        text = (self.folder / "training_metadata.json").read_text(encoding="utf-8")
        return sorted({*self.held(), float(json.loads(text)["epoch"])})
