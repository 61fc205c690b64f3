"""A strong loop written by hand, as far as torch goes operation by operation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.contenders.contender import LEARNING_RATE, Evaluator
from benchmarks.contenders.torch_model import TorchContender
from benchmarks.images import Images
from benchmarks.task import Task

EVALUATION_BATCH_SIZE = 1000
"""Images in one batch where nothing is learned."""


class Eager(TorchContender, Evaluator):
    """All images in memory as bytes, gathered once per epoch; fused Adam; channels last.

    Losses stay tensors until the epoch ends.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        if task.model == "cnn":
            last = torch.channels_last
            self.module.to(memory_format=last)  # type: ignore[call-overload] # the stub lacks it

    def epoch(self, images: Images) -> Callable[[], float]:
        """Returns what trains for one epoch and gives the mean loss."""
        pixels, labels = _resident(images)
        optimizer = torch.optim.Adam(self.module.parameters(), LEARNING_RATE, fused=True)

        def train() -> float:
            self.module.train()
            order = torch.randperm(len(labels))
            batches = pixels.index_select(0, order).split(self.task.batch_size)
            answers = labels.index_select(0, order).split(self.task.batch_size)
            losses: list[Tensor] = []
            for batch, answer in zip(batches, answers, strict=True):
                optimizer.zero_grad(set_to_none=True)
                loss = cross_entropy(self.module(batch.div(255)), answer)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            return torch.stack(losses).mean().item()

        return train

    def evaluation(self, images: Images) -> Callable[[], float]:
        """Returns a loop over batches of 1,000."""
        pixels, labels = _resident(images)

        def evaluate() -> float:
            self.module.eval()
            batches = pixels.split(EVALUATION_BATCH_SIZE), labels.split(EVALUATION_BATCH_SIZE)
            with torch.inference_mode():
                losses = [
                    cross_entropy(self.module(batch.div(255)), answer, reduction="sum")
                    for batch, answer in zip(*batches, strict=True)
                ]
                return torch.stack(losses).sum().item() / len(labels)

        return evaluate


def _resident(images: Images) -> tuple[Tensor, Tensor]:
    """Returns bytes (n, 1, 28, 28) and labels (n,)."""
    return torch.from_numpy(images.pixels).unsqueeze(1), torch.from_numpy(images.labels)
