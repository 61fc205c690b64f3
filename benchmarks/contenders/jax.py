"""JAX: the same networks compiled by XLA, with optax's Adam."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np
import optax
from jax import Array, lax
from jax import numpy as jnp

from benchmarks.contenders.contender import LEARNING_RATE, Contender
from benchmarks.contenders.jax_networks import (
    Layer,
    initial_layers,
    library_convolution,
    make_network,
    product_convolution,
)
from benchmarks.images import Images
from benchmarks.task import Task

State: TypeAlias = tuple[list[Layer], Any]
"""The parameters and what the optimizer remembers."""

Data: TypeAlias = tuple[Array, Array]
"""Pixels uint8 (n, 28, 28) and labels (n,) on the device."""


class ScannedEpoch(Contender):
    """The whole epoch is one compiled function, a `lax.scan` over the batches.

    XLA's own convolution is many times slower inside such a loop on a CPU than outside, so here
    it is a product of matrices. A last batch that is not full is left out.
    """

    convolution = staticmethod(product_convolution)

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.network = make_network(task.model, self.convolution)
        self.optimizer = optax.adam(LEARNING_RATE)
        self.generator = np.random.default_rng(task.seed)
        self.state = self.initial_state()

    def warm_up(self, images: Images) -> None:
        """Compiles, and runs an epoch whose outcome is thrown away."""
        data = _on_device(images)
        started = time.perf_counter()
        self.compiled = self.compile(data, self.order(len(images.labels)))
        self.compile_seconds = time.perf_counter() - started
        self.epoch(images)()
        self.state = self.initial_state()

    def epoch(self, images: Images) -> Callable[[], object]:
        """Returns what trains for one epoch and gives the last loss that it computed."""
        data = _on_device(images)
        return lambda: self.run(data, self.order(len(images.labels))).item()

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """Returns logits of all images in one batch."""
        return np.asarray(self.network(self.state[0], jnp.asarray(pixels, jnp.float32) / 255))

    def compile(self, data: Data, order: np.ndarray) -> Callable[..., tuple[State, Array]]:
        """Returns the compiled epoch."""
        return jax.jit(self.scan, donate_argnums=0).lower(self.state, data, order).compile()

    def run(self, data: Data, order: np.ndarray) -> Array:
        """Trains with all batches of `order` (steps, batch) and returns a loss."""
        self.state, losses = self.compiled(self.state, data, order)
        return losses[-1]

    def scan(self, state: State, data: Data, order: Array) -> tuple[State, Array]:
        """Makes all steps of an epoch."""
        return lax.scan(lambda now, items: self.step(now, data, items), state, order)

    def step(self, state: State, data: Data, items: Array) -> tuple[State, Array]:
        """Makes one step with the images at the indices `items` (batch,)."""
        layers, memory = state
        pixels, labels = (part[items] for part in data)

        def loss_of(layers: list[Layer]) -> Array:
            scores = self.network(layers, pixels.astype(jnp.float32) / 255)
            return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()

        loss, gradients = jax.value_and_grad(loss_of)(layers)
        updates, memory = self.optimizer.update(gradients, memory)
        return (optax.apply_updates(layers, updates), memory), loss

    def initial_state(self) -> State:
        """Returns an untrained network and an optimizer that remembers nothing."""
        layers = initial_layers(self.task.model, self.task.seed)
        return layers, self.optimizer.init(layers)

    def order(self, count: int) -> np.ndarray:
        """Returns the items of all batches of an epoch, int32 (steps, batch)."""
        steps = count // self.task.batch_size
        order = self.generator.permutation(count)[: steps * self.task.batch_size]
        return order.astype(np.int32).reshape(steps, self.task.batch_size)


class JittedSteps(ScannedEpoch):
    """One step is one compiled function, called for each batch, with XLA's own convolution."""

    convolution = staticmethod(library_convolution)

    def compile(self, data: Data, order: np.ndarray) -> Callable[..., tuple[State, Array]]:
        """Returns the compiled step."""
        return jax.jit(self.step, donate_argnums=0).lower(self.state, data, order[0]).compile()

    def run(self, data: Data, order: np.ndarray) -> Array:
        """Makes the steps one after the other."""
        for items in order:
            self.state, loss = self.compiled(self.state, data, items)
        return loss


def _on_device(images: Images) -> Data:
    return jnp.asarray(images.pixels), jnp.asarray(images.labels, jnp.int32)
