"""What every contender can do."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.images import Images
from benchmarks.task import Task

if TYPE_CHECKING:  # it would bring torch, which not all contenders need
    from fmnistlab.recipes import Recipe

LEARNING_RATE = 1e-3
"""Of Adam, for all contenders; beta 0.9 and 0.999, epsilon 1e-8."""

WARM_UP_STEPS = 50
"""Training steps before the timed epoch, so that whatever is built at first use is there."""


class Contender(abc.ABC):
    """A model, untrained at first, and a way to train it."""

    compile_seconds: float | None = None
    """What compiling took, where that is a step of its own; it is no part of the epoch."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @abc.abstractmethod
    def epoch(self, images: Images) -> Callable[[], object]:
        """Returns what trains for one epoch; only the call of it is timed.

        The images are brought into the form that the contender takes before that.
        """

    @abc.abstractmethod
    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """Returns logits float32 (n, 10) of images uint8 (n, 28, 28)."""

    def warm_up(self, images: Images) -> None:
        """Trains for some steps."""
        self.epoch(images.first(WARM_UP_STEPS * self.task.batch_size))()

    def loss(self, images: Images) -> float:
        """Returns the mean cross-entropy, computed in the same way for all contenders."""
        scores = self.scores(images.pixels).astype(np.float64)
        return cross_entropy(np.exp(scores - scores.max(axis=1, keepdims=True)), images.labels)

    def accuracy(self, images: Images) -> float:
        """Returns the part of the images whose class has the highest score."""
        return float((self.scores(images.pixels).argmax(axis=1) == images.labels).mean())


class Evaluator(Contender):
    """A contender that also takes part where evaluation is measured."""

    @abc.abstractmethod
    def evaluation(self, images: Images) -> Callable[[], float]:
        """Returns what measures the mean cross-entropy over all images; only its call is timed."""


class Fitter(Contender):
    """A contender that also takes part where the time to a result is measured."""

    @abc.abstractmethod
    def fit(self, images: Images, recipe: Recipe) -> Callable[[], object]:
        """Returns what trains from the first epoch to the last; only its call is timed.

        It is the fastest way that the contender offers to follow the recipe.
        """


def cross_entropy(weights: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean of -log of the share that each label has among its row's weights."""
    share = weights[np.arange(len(labels)), labels] / weights.sum(axis=1)
    return float(-np.log(share).mean())
