"""Keras on torch: BackupAndRestore."""

from __future__ import annotations

import hashlib
from typing import Any

import keras

from benchmarks.faults.scripts.script import Script
from benchmarks.faults.scripts.start import Start
from benchmarks.faults.scripts.task import BATCH_SIZE, CLASSES, EPOCHS, LEARNING_RATE, images


class Teller(keras.callbacks.Callback):
    """Counts steps, and tells that one was saved when the next one begins."""

    def __init__(self, script: Keras) -> None:
        super().__init__()
        self.script = script

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.script.start.after_save(self.script.steps)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.script.steps += 1


class Keras(Script):
    """`fit` with BackupAndRestore, which restores what it finds by itself.

    Args:
        start: as for every script.
        epochs_only: whether to save when an epoch ends, as by default, or after each batch.
    """

    def __init__(self, start: Start, *, epochs_only: bool = False) -> None:
        super().__init__(start)
        self.frequency: str | int = "epoch" if epochs_only else 1

    def run(self) -> str:
        keras.utils.set_random_seed(self.start.seed)
        model = keras.Sequential(
            [
                keras.Input((1, 8, 8)),
                keras.layers.Flatten(),
                keras.layers.Dense(32, activation="relu"),
                keras.layers.Dropout(self.start.dropout),
                keras.layers.Dense(CLASSES),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.AdamW(LEARNING_RATE), loss)
        pixels, labels = (tensor.numpy() for tensor in images().tensors)
        backup = keras.callbacks.BackupAndRestore(
            str(self.start.folder / "backup"), save_freq=self.frequency
        )
        model.fit(
            pixels,
            labels,
            batch_size=BATCH_SIZE,
            epochs=EPOCHS,
            shuffle=True,
            verbose=0,
            callbacks=[backup, Teller(self)],
        )
        digest = hashlib.sha256()
        for variable in model.trainable_variables:
            digest.update(keras.ops.convert_to_numpy(variable).tobytes())
        return digest.hexdigest()
