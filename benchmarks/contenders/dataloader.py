"""The shortest loop over a DataLoader, with the images ready as floats."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.contenders.contender import Evaluator
from benchmarks.contenders.torch_model import TorchContender
from benchmarks.images import Images


class PlainLoop(TorchContender, Evaluator):
    """TensorDataset, DataLoader, Adam with default settings; the loss is read once per epoch."""

    def epoch(self, images: Images) -> Callable[[], float]:
        """Returns what trains for one epoch and gives the mean loss."""
        loader = self.loader(images)
        optimizer = torch.optim.Adam(self.module.parameters())

        def train() -> float:
            self.module.train()
            total = torch.zeros(())
            for batch, labels in loader:
                optimizer.zero_grad()
                loss = self.criterion(self.module(batch), labels)
                loss.backward()
                optimizer.step()
                total += loss.detach()
            return total.item() / len(loader)

        return train

    def evaluation(self, images: Images) -> Callable[[], float]:
        """Returns a loop over batches of the training's size."""
        loader = self.loader(images, shuffle=False)

        def evaluate() -> float:
            self.module.eval()
            total = torch.zeros(())
            with torch.inference_mode():
                for batch, labels in loader:
                    total += self.criterion(self.module(batch), labels) * len(labels)
            return total.item() / len(images.labels)

        return evaluate
