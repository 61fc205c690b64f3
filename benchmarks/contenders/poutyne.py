"""Poutyne: Model.fit on tensors in memory, without metrics and progress."""

from __future__ import annotations

from collections.abc import Callable

import poutyne
import torch

from benchmarks.contenders.contender import LEARNING_RATE
from benchmarks.contenders.torch_model import TorchContender, float_images
from benchmarks.images import Images
from benchmarks.task import Task


class Poutyne(TorchContender):
    """`Model.fit`."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        optimizer = torch.optim.Adam(self.module.parameters(), LEARNING_RATE)
        self.wrapped = poutyne.Model(self.module, optimizer, self.criterion, device="cpu")

    def epoch(self, images: Images) -> Callable[[], object]:
        """Returns what fits for one epoch."""
        floats, labels = float_images(images.pixels), torch.from_numpy(images.labels)
        size = self.task.batch_size
        return lambda: self.wrapped.fit(floats, labels, batch_size=size, epochs=1, verbose=False)
