"""A recipe in torch's own words, for contenders that take optimizer and schedule apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.optim.lr_scheduler import OneCycleLR
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
    "label_smoothing",
}
"""Settings that are translated."""

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class TorchRecipe(NamedTuple):
    """What a recipe asks for.

    Attributes:
        epochs: passes over the images.
        batch_size: images in a batch.
        optimizer: its class.
        settings: of the optimizer.
        one_cycle: settings of `OneCycleLR`, which moves after each step; None for a constant rate.
        loss: settings of `nn.CrossEntropyLoss`.
    """

    epochs: int
    batch_size: int
    optimizer: type[torch.optim.Optimizer]
    settings: dict[str, Any]
    one_cycle: dict[str, Any] | None
    loss: dict[str, Any]

    def schedule(self, optimizer: torch.optim.Optimizer) -> OneCycleLR | None:
        """Returns what moves the learning rate, or None."""
        return None if self.one_cycle is None else OneCycleLR(optimizer, **self.one_cycle)


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
    if recipe.optimizer not in OPTIMIZERS or recipe.schedule not in {"constant", "one_cycle"}:
        others |= {"optimizer": recipe.optimizer, "schedule": recipe.schedule}
    if others:
        raise SystemExit(f"the recipe says what is not translated: {others}")
    rate = recipe.learning_rate
    steps = recipe.epochs * -(-images // recipe.batch_size)
    one_cycle = {"max_lr": rate, "total_steps": steps, "cycle_momentum": False}
    return TorchRecipe(
        recipe.epochs,
        recipe.batch_size,
        OPTIMIZERS[str(recipe.optimizer)],
        {"lr": rate, "weight_decay": recipe.weight_decay, "fused": True},
        one_cycle if recipe.schedule == "one_cycle" else None,
        {"label_smoothing": recipe.label_smoothing},
    )


def whole_batches(images: Images, batch_size: int) -> DataLoader[Any]:
    """Returns a loader that asks for a batch at a time, which spares it putting items together."""
    data = TensorDataset(float_images(images.pixels), torch.from_numpy(images.labels))
    return DataLoader(data, sampler=batch_sampler(len(images.labels), batch_size), batch_size=None)


def batch_sampler(images: int, batch_size: int) -> BatchSampler:
    """Returns the numbers of the images of each batch, in another order in each epoch."""
    return BatchSampler(RandomSampler(range(images)), batch_size, drop_last=False)
