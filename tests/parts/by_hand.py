"""The loop that people write themselves."""

from __future__ import annotations

from typing import Any, cast

import torch
from tests.parts.row import SEED, Row, outcome
from tests.tiny import channels_last
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from fmnistlab import seeding
from fmnistlab.data.batches import batch_source
from fmnistlab.foundation.global_random import isolated_randomness, seed_all
from fmnistlab.training.recipes.recipe import Recipe

CPU = torch.device("cpu")


def train_by_hand(row: Row) -> dict[str, Any]:
    """Returns what plain PyTorch makes of the part.

    Two things are as in the trainer, and documented: the random generators are seeded anew for
    each epoch, and a model with convolutions over images has its weights laid out channels last.
    """
    torch.manual_seed(SEED)
    model, data, watcher, recipe = row.make(), row.data(), row.watcher(), row.recipe
    if any(isinstance(module, nn.Conv2d) for module in model.modules()):
        channels_last(model)
    model.train()
    optimizer = make_optimizer(recipe, model)
    source = None
    if not isinstance(data, DataLoader):
        source = batch_source(
            data,
            device=CPU,
            batch_size=recipe.batch_size,
            seed=SEED,
            augmentation=recipe.augmentation,
        )
    schedule = None
    if row.schedule is not None:
        steps = source.steps_per_epoch if source else len(cast("DataLoader[Any]", data))
        assert steps is not None
        schedule = row.schedule(optimizer, recipe.epochs * steps)
    with isolated_randomness(SEED):
        watcher.on_fit_start(model, optimizer)
        for epoch in range(1, recipe.epochs + 1):
            seed_all(seeding.derive_seed(SEED, "noise", epoch))
            model.train()
            watcher.on_epoch_start(model, optimizer, epoch)
            sampler: Any = getattr(data, "sampler", None)
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(epoch)
            batches: Any = data if source is None else source.training_batches(epoch)
            for images, labels in batches:
                logits = step(row, model, optimizer, images, labels)
                if schedule is not None:
                    schedule.step()
                watcher.on_batch_end(model, optimizer, logits, labels)
            watcher.on_epoch_end(model, optimizer, epoch)
        watcher.on_fit_end(model, optimizer)
    return outcome(model, optimizer, watcher)


def step(
    row: Row, model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> Tensor:
    """Makes a step and returns the scores before it."""
    seen: list[Tensor] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = model(images)
        seen.append(logits.detach())
        if row.recipe.loss is not None:
            loss = row.recipe.loss(logits, labels)
        else:
            loss = cross_entropy(logits, labels, label_smoothing=row.recipe.label_smoothing)
        loss.backward()
        return loss

    row.update(optimizer, closure)
    return seen[0]


def make_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """Returns the optimizer that the recipe describes, made by hand."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    if callable(recipe.optimizer):
        return recipe.optimizer(parameters)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    momentum = {"momentum": recipe.momentum} if recipe.optimizer == "sgd" else {}
    return kind[recipe.optimizer](
        parameters,
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=recipe.momentum == 0,
        **momentum,
    )
