"""Ignite: the engine of create_supervised_trainer, without handlers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from ignite.engine import create_supervised_trainer

from benchmarks.contenders.contender import LEARNING_RATE
from benchmarks.contenders.torch_model import TorchContender
from benchmarks.images import Images


class Ignite(TorchContender):
    """`Engine.run`, which by default reads the loss in every step."""

    def epoch(self, images: Images) -> Callable[[], object]:
        """Returns what runs the engine for one epoch."""
        loader = self.loader(images)
        optimizer = torch.optim.Adam(self.module.parameters(), LEARNING_RATE)
        engine = create_supervised_trainer(self.module, optimizer, self.criterion, device="cpu")
        return lambda: engine.run(loader, max_epochs=1)
