"""A strong loop written by hand, as far as torch goes operation by operation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LRScheduler

from benchmarks.contenders.contender import LEARNING_RATE, Evaluator, Fitter
from benchmarks.contenders.torch_model import TorchContender
from benchmarks.contenders.torch_recipe import torch_recipe
from benchmarks.images import Images
from benchmarks.task import Task
from fmnistlab.recipes import Recipe

EVALUATION_BATCH_SIZE = 1000
"""Images in one batch where nothing is learned."""


class Eager(TorchContender, Evaluator, Fitter):
    """All images in memory as bytes, gathered once per epoch; fused Adam; channels last.

    Losses stay tensors until the epoch ends.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.lay_channels_last()

    def epoch(self, images: Images) -> Callable[[], float]:
        """Returns what trains for one epoch and gives the mean loss."""
        pixels, labels = _resident(images)
        optimizer = torch.optim.Adam(self.module.parameters(), LEARNING_RATE, fused=True)
        return lambda: self._train(pixels, labels, self.task.batch_size, optimizer)

    def fit(self, images: Images, recipe: Recipe) -> Callable[[], object]:
        """Returns such epochs, with the recipe's schedule."""
        pixels, labels = _resident(images)
        told = torch_recipe(recipe, len(labels))

        def train() -> list[float]:
            optimizer = told.optimizer(self.module.parameters(), **told.settings)
            schedule = told.schedule(optimizer)
            criterion = nn.CrossEntropyLoss(**told.loss)
            return [
                self._train(
                    pixels,
                    labels,
                    told.batch_size,
                    optimizer,
                    schedule=schedule,
                    criterion=criterion,
                )
                for _ in range(told.epochs)
            ]

        return train

    def _train(
        self,
        pixels: Tensor,
        labels: Tensor,
        batch_size: int,
        optimizer: torch.optim.Optimizer,
        *,
        schedule: LRScheduler | None = None,
        criterion: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
    ) -> float:
        """Trains for one epoch and returns the mean loss."""
        self.module.train()
        order = torch.randperm(len(labels))
        batches = pixels.index_select(0, order).split(batch_size)
        answers = labels.index_select(0, order).split(batch_size)
        losses: list[Tensor] = []
        for batch, answer in zip(batches, answers, strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(self.module(batch.div(255)), answer)
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean().item()

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
