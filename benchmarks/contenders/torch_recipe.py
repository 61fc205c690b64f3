"""A recipe in torch's own words, for contenders that take optimizer and schedule apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from benchmarks.contenders.torch_model import float_images
from benchmarks.images import Images
from fmnistlab.recipes import Recipe
from fmnistlab.training.recipes.changes import changed_settings

KNOWN = {
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "schedule",
    "warmup_epochs",
    "label_smoothing",
}
"""Settings that are translated."""

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
SCHEDULES = {"constant", "one_cycle", "linear"}


class TorchRecipe(NamedTuple):
    """What a recipe asks for.

    Attributes:
        epochs: passes over the images.
        batch_size: images in a batch.
        optimizer: its class.
        settings: of the optimizer.
        policy: class of what moves the learning rate after each step; None if nothing does.
        moves: settings of `policy`.
        loss: settings of `nn.CrossEntropyLoss`.
    """

    epochs: int
    batch_size: int
    optimizer: type[torch.optim.Optimizer]
    settings: dict[str, Any]
    policy: type[LRScheduler] | None
    moves: dict[str, Any]
    loss: dict[str, Any]

    def schedule(self, optimizer: torch.optim.Optimizer) -> LRScheduler | None:
        """Returns what moves the learning rate, or None."""
        return None if self.policy is None else self.policy(optimizer, **self.moves)


def torch_recipe(recipe: Recipe, images: int) -> TorchRecipe:
    """Translates a recipe.

    Args:
        recipe: how to train.
        images: how many there are to learn from.

    Raises:
        SystemExit: it says something that is not translated, so no comparison would be fair.
    """
    changes = changed_settings(recipe.describe())
    others = {name: value for name, value in changes.items() if name not in KNOWN}
    warmed_up = recipe.warmup_epochs > 0 and recipe.schedule != "linear"
    if recipe.optimizer not in OPTIMIZERS or recipe.schedule not in SCHEDULES or warmed_up:
        others |= {"optimizer": recipe.optimizer, "schedule": recipe.schedule}
    if others:
        raise SystemExit(f"the recipe says what is not translated: {others}")
    rate = recipe.learning_rate
    steps = recipe.epochs * -(-images // recipe.batch_size)
    policy: type[LRScheduler] | None = None
    moves: dict[str, Any] = {}
    if recipe.schedule == "one_cycle":
        policy, moves = OneCycleLR, {"max_lr": rate, "total_steps": steps, "cycle_momentum": False}
    elif recipe.schedule == "linear":
        warm = min(round(recipe.warmup_epochs * steps / recipe.epochs), steps - 1)
        policy, moves = LambdaLR, {"lr_lambda": _line(warm, steps)}
    return TorchRecipe(
        recipe.epochs,
        recipe.batch_size,
        OPTIMIZERS[str(recipe.optimizer)],
        {"lr": rate, "weight_decay": recipe.weight_decay, "fused": True},
        policy,
        moves,
        {"label_smoothing": recipe.label_smoothing},
    )


def _line(warm: int, total: int) -> Callable[[int], float]:
    """Returns the factor of the rate by the number of the step: up in `warm` steps, then down."""
    return lambda step: (
        (step + 1) / (warm + 1) if step < warm else 1 - min((step - warm) / (total - warm), 1.0)
    )


def whole_batches(images: Images, batch_size: int) -> DataLoader[Any]:
    """Returns a loader that asks for a batch at a time, which spares it putting items together."""
    data = TensorDataset(float_images(images.pixels), torch.from_numpy(images.labels))
    return DataLoader(data, sampler=batch_sampler(len(images.labels), batch_size), batch_size=None)


def batch_sampler(images: int, batch_size: int) -> BatchSampler:
    """Returns the numbers of the images of each batch, in another order in each epoch."""
    return BatchSampler(RandomSampler(range(images)), batch_size, drop_last=False)
