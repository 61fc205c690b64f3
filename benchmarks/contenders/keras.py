"""Keras 3 on torch: the same layers, compiled and fitted as Keras does it."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import torch
from keras import layers
from keras.initializers import RandomUniform

from benchmarks.contenders.contender import LEARNING_RATE, Evaluator
from benchmarks.images import Images
from benchmarks.task import Task


class Keras(Evaluator):
    """`Model.fit` and `Model.evaluate`."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        torch.set_num_threads(task.threads)
        keras.utils.set_random_seed(task.seed)
        parts = _linear_layers() if task.model == "linearnet" else _convolutional_layers()
        self.network = keras.Sequential([keras.Input((28, 28, 1)), *parts])
        self.network.compile(
            optimizer=keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def epoch(self, images: Images) -> Callable[[], object]:
        """Returns what fits for one epoch."""
        floats, size = _floats(images.pixels), self.task.batch_size
        return lambda: self.network.fit(floats, images.labels, batch_size=size, epochs=1, verbose=0)

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """Returns logits of all images."""
        return np.asarray(self.network.predict(_floats(pixels), verbose=0))

    def evaluation(self, images: Images) -> Callable[[], float]:
        """Returns `evaluate` with batches of the training's size."""
        floats, size = _floats(images.pixels), self.task.batch_size
        return lambda: self.network.evaluate(floats, images.labels, batch_size=size, verbose=0)


def _floats(pixels: np.ndarray) -> np.ndarray:
    """Returns pixels as float32 (n, 28, 28, 1) in 0..1."""
    return (pixels[..., None] / 255).astype(np.float32)


def _like_torch(inputs: int) -> dict[str, RandomUniform]:
    """Returns initial weights and biases as torch's layers draw them for so many inputs."""
    bound = inputs**-0.5
    return {f"{part}_initializer": RandomUniform(-bound, bound) for part in ("kernel", "bias")}


def _linear_layers() -> list[keras.Layer]:
    return [
        layers.Flatten(),
        layers.Dense(256, **_like_torch(784)),
        layers.LeakyReLU(negative_slope=0.01),
        layers.Dense(64, **_like_torch(256)),
        layers.LeakyReLU(negative_slope=0.01),
        layers.Dense(10, **_like_torch(64)),
    ]


def _convolutional_layers() -> list[keras.Layer]:
    blocks: list[keras.Layer] = []
    for inputs, outputs in ((1, 8), (8, 16), (16, 32), (32, 64)):
        blocks += [
            layers.Conv2D(outputs, 3, padding="same", **_like_torch(9 * inputs)),
            layers.MaxPooling2D(2),
            layers.LeakyReLU(negative_slope=0.01),
        ]
    return [
        *blocks,
        layers.GlobalAveragePooling2D(),
        layers.Dense(24, **_like_torch(64)),
        layers.LeakyReLU(negative_slope=0.01),
        layers.Dense(10, **_like_torch(24)),
    ]
