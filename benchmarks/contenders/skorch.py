"""skorch: NeuralNetClassifier with its default callbacks, but nothing printed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import skorch
import torch
from torch import nn

from benchmarks.contenders.contender import LEARNING_RATE, Evaluator, cross_entropy
from benchmarks.contenders.torch_model import TorchContender, float_images
from benchmarks.images import Images
from benchmarks.task import Task


class Skorch(TorchContender, Evaluator):
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

    def evaluation(self, images: Images) -> Callable[[], float]:
        """Returns `predict_proba` with batches of the training's size, and the loss of that."""
        floats = float_images(images.pixels).numpy()
        return lambda: cross_entropy(self.net.predict_proba(floats), images.labels)
