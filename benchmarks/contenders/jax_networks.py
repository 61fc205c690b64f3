"""Both networks as pure functions of parameters and images, for JAX."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TypeAlias

import jax
from jax import Array, lax
from jax import numpy as jnp

Layer: TypeAlias = dict[str, Array]
"""One layer: "weights" and "bias"."""

Network: TypeAlias = Callable[[list[Layer], Array], Array]
"""Maps parameters and images float32 (n, 28, 28) to logits (n, 10)."""

Convolution: TypeAlias = Callable[[Layer, Array], Array]
"""3 by 3, padded by 1: maps (n, height, width, inputs) to (n, height, width, outputs)."""

_CHANNELS = (1, 8, 16, 32, 64)
_SHAPES: dict[str, list[tuple[int, ...]]] = {
    "linearnet": [(784, 256), (256, 64), (64, 10)],
    "cnn": [
        *((3, 3, inputs, outputs) for inputs, outputs in itertools.pairwise(_CHANNELS)),
        (64, 24),
        (24, 10),
    ],
}


def initial_layers(model: str, seed: int) -> list[Layer]:
    """Returns weights and biases from the distribution of torch's layers."""
    layers = []
    for key, shape in zip(jax.random.split(jax.random.key(seed), 6), _SHAPES[model], strict=False):
        bound = math.prod(shape[:-1]) ** -0.5
        first, second = jax.random.split(key)
        layers.append(
            {
                "weights": jax.random.uniform(first, shape, minval=-bound, maxval=bound),
                "bias": jax.random.uniform(second, shape[-1:], minval=-bound, maxval=bound),
            }
        )
    return layers


def make_network(model: str, convolution: Convolution) -> Network:
    """Returns LinearNet or CNN."""

    def linearnet(layers: list[Layer], images: Array) -> Array:
        values = images.reshape(len(images), 784)
        for layer in layers[:-1]:
            values = _leaky(_dense(layer, values))
        return _dense(layers[-1], values)

    def cnn(layers: list[Layer], images: Array) -> Array:
        values = images[..., None]
        for layer in layers[:4]:
            values = _leaky(_pooled(convolution(layer, values)))
        values = _leaky(_dense(layers[4], values.reshape(len(images), 64)))
        return _dense(layers[5], values)

    return linearnet if model == "linearnet" else cnn


def library_convolution(layer: Layer, images: Array) -> Array:
    """XLA's own."""
    layout = ("NHWC", "HWIO", "NHWC")
    return (
        lax.conv_general_dilated(images, layer["weights"], (1, 1), "SAME", dimension_numbers=layout)
        + layer["bias"]
    )


def product_convolution(layer: Layer, images: Array) -> Array:
    """The nine neighbors of each pixel side by side, times a matrix."""
    _, height, width, inputs = images.shape
    padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    neighbors = [
        padded[:, row : row + height, column : column + width]
        for row in range(3)
        for column in range(3)
    ]
    weights = layer["weights"].reshape(9 * inputs, -1)
    return jnp.concatenate(neighbors, axis=-1) @ weights + layer["bias"]


def _pooled(images: Array) -> Array:
    """Returns the largest of each 2 by 2 pixels; `max` of slices is faster than a window here."""
    height, width = (size // 2 * 2 for size in images.shape[1:3])
    rows = jnp.maximum(images[:, 0:height:2], images[:, 1:height:2])
    return jnp.maximum(rows[:, :, 0:width:2], rows[:, :, 1:width:2])


def _dense(layer: Layer, values: Array) -> Array:
    return values @ layer["weights"] + layer["bias"]


def _leaky(values: Array) -> Array:
    return jnp.where(values >= 0, values, 0.01 * values)
