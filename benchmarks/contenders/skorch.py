"""skorch: NeuralNetClassifier with its default callbacks, but nothing printed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import skorch
import torch
from skorch.callbacks import LRScheduler
from torch import nn

from benchmarks.contenders.contender import LEARNING_RATE, Evaluator, Fitter, cross_entropy
from benchmarks.contenders.torch_model import TorchContender, float_images
from benchmarks.contenders.torch_recipe import TorchRecipe, batch_sampler, torch_recipe
from benchmarks.images import Images
from benchmarks.task import Task
from fmnistlab.recipes import Recipe


class Skorch(TorchContender, Evaluator, Fitter):
    """`partial_fit`, which goes on with the module that the warm-up trained."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.net = skorch.NeuralNetClassifier(
            self.module,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=LEARNING_RATE,
            batch_size=task.batch_size,
            max_epochs=1,
            train_split=None,
            iterator_train__shuffle=True,
            classes=np.arange(10),
            verbose=0,
        ).initialize()

    def epoch(self, images: Images) -> Callable[[], object]:
        """Returns what fits for one epoch."""
        floats = float_images(images.pixels).numpy()
        return lambda: self.net.partial_fit(floats, images.labels)

    def fit(self, images: Images, recipe: Recipe) -> Callable[[], object]:
        """Returns the `partial_fit` of a net for all epochs, a batch asked for at a time."""
        floats = float_images(images.pixels).numpy()
        told = torch_recipe(recipe, len(floats))
        self.lay_channels_last()
        net = skorch.NeuralNetClassifier(
            self.module,
            criterion=nn.CrossEntropyLoss,
            optimizer=told.optimizer,
            max_epochs=told.epochs,
            train_split=None,
            iterator_train__batch_size=None,
            iterator_train__sampler=batch_sampler(len(floats), told.batch_size),
            classes=np.arange(10),
            callbacks=_moved(told),
            callbacks__print_log=None,
            verbose=0,
            **{f"optimizer__{name}": value for name, value in told.settings.items()},
            **{f"criterion__{name}": value for name, value in told.loss.items()},
        )
        return lambda: net.partial_fit(floats, images.labels)

    def evaluation(self, images: Images) -> Callable[[], float]:
        """Returns `predict_proba` with batches of the training's size, and the loss of that."""
        floats = float_images(images.pixels).numpy()
        return lambda: cross_entropy(self.net.predict_proba(floats), images.labels)


def _moved(told: TorchRecipe) -> list[tuple[str, LRScheduler]]:
    """Returns skorch's callback that moves the learning rate after each step, if it moves."""
    if told.policy is None:
        return []
    return [("rate", LRScheduler(policy=told.policy, step_every="batch", **told.moves))]
