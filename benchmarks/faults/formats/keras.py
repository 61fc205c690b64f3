"""Keras' .weights.h5."""

from __future__ import annotations

from typing import ClassVar

import keras

from benchmarks.faults.formats.file_format import FileFormat, digest

WIDTH = 173
"""Five dense layers of this width have 151,000 weights."""


class Keras(FileFormat):
    """The weights of five dense layers."""

    name: ClassVar[str] = "state.weights.h5"

    def write(self, seed: int) -> str:
        keras.utils.set_random_seed(seed)
        model = _model("random_normal")
        model.save_weights(self.path)
        return _digest(model)

    def read(self) -> str:
        model = _model("zeros")
        model.load_weights(self.path)
        return _digest(model)


def _model(initial: str) -> keras.Model:
    layers = [
        keras.layers.Dense(WIDTH, kernel_initializer=initial, bias_initializer=initial)
        for _ in range(5)
    ]
    return keras.Sequential([keras.Input((WIDTH,)), *layers])


def _digest(model: keras.Model) -> str:
    return digest({str(place): array for place, array in enumerate(model.get_weights())})
