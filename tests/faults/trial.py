"""A small training that has everything that could be lost: dropout, order, noise, momentum."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fmnistlab import testing
from fmnistlab.callbacks import Callback
from fmnistlab.data import HorizontalFlip, RandomShift
from fmnistlab.models.weights_hash import weights_sha256
from fmnistlab.training.callbacks.checkpointing import Checkpointing
from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

STEPS = 24
"""Steps of the training: 3 epochs of 8 batches."""

RECIPE = Recipe(batch_size=8, epochs=3, optimizer="adamw", weight_decay=0.01)


def make_model(dropout: float = 0.5) -> nn.Module:
    """Returns a model with 12,730 weights, always the same ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(16, 10),
        )


@functools.cache
def data() -> tuple[Any, Any]:
    """Returns 64 images to learn from and 20 to validate."""
    return testing.tiny_dataset(64), testing.tiny_dataset(20, seed=1)


def trainer(
    recipe: Recipe = RECIPE,
    *callbacks: Callback,
    dropout: float = 0.5,
    execution: Execution = "recorded",
) -> Trainer:
    """Returns a trainer that has not begun."""
    return Trainer(
        make_model(dropout),
        recipe,
        device="cpu",
        seed=5,
        execution=execution,
        callbacks=callbacks,
    )


def train(folder: Path, *callbacks: Callback, every_steps: int = 1, keep: int = 2) -> Trainer:
    """Trains to the end with checkpoints in a folder, from the newest one there if there is any."""
    made = trainer(RECIPE, *callbacks, Checkpointing(folder, every_steps=every_steps, keep=keep))
    begun = any(folder.glob("step-*.safetensors")) if folder.exists() else False
    made.fit(*data(), resume_from=folder if begun else None)
    return made


def facts(of: Trainer) -> tuple[str, str, str]:
    """Returns names for the weights, the optimizer and the history, all bits but the seconds."""
    assert of.optimizer is not None
    digest = hashlib.sha256()
    for number, entries in sorted(of.optimizer.state_dict()["state"].items()):
        for name, value in sorted(entries.items()):
            digest.update(f"{number} {name}".encode())
            tensor = torch.as_tensor(value).contiguous().view(-1)
            digest.update(tensor.view(torch.uint8).numpy().tobytes())
    rows = [dataclasses.astuple(dataclasses.replace(row, seconds=0.0)) for row in of.history]
    return weights_sha256(of.model), digest.hexdigest(), repr(rows)


@functools.cache
def uninterrupted() -> tuple[str, str, str]:
    """Returns the facts of the undisturbed training."""
    made = trainer()
    made.fit(*data())
    return facts(made)


def augmented(recipe: Recipe) -> Recipe:
    """Returns the recipe with random changes of each image."""
    return recipe.replace(augmentation=(HorizontalFlip(), RandomShift()))
