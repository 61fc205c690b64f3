"""What one row of the table holds, and what comes out of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from tests.tiny import tiny_set
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset

from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.recipe import Recipe

PLAIN: Execution = "eager"
DEFAULT: Execution = "auto"
"""The two ways in which steps are made, as `Trainer(execution=...)` calls them."""

SEED = 5
ADAM = Recipe(batch_size=8, epochs=3)
SGD = ADAM.replace(optimizer="sgd", momentum=0.9, learning_rate=0.05)

Closure = Callable[[], Tensor]


class Watcher:
    """What a user does in the hooks of a fit; the loop written by hand calls them too.

    Attributes:
        found: what was seen on the way, compared in the end.
    """

    def __init__(self) -> None:
        self.found: list[Any] = []

    def on_fit_start(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Before the first epoch."""

    def on_epoch_start(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int
    ) -> None:
        """Before the first batch of an epoch."""

    def on_batch_end(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, logits: Tensor, labels: Tensor
    ) -> None:
        """After a step."""

    def on_epoch_end(self, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
        """After the last batch of an epoch."""

    def on_fit_end(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """After the last epoch."""


def perceptron() -> nn.Module:
    """A small classifier of torch's own layers."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))


def step_alone(optimizer: torch.optim.Optimizer, closure: Closure) -> None:
    """How most optimizers are used: gradients first, then a step."""
    closure()
    optimizer.step()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A part, and how it is used in a training.

    Attributes:
        part: its name in the table.
        make: makes the model.
        recipe: how it is trained; a `recipe.optimizer` that is a function serves both loops.
        data: what it is trained on.
        watcher: what is done in the hooks.
        schedule: what the recipe's schedule is called in torch: made from optimizer and steps.
        update: how the loop written by hand uses the optimizer.
        saved: whether it is also trained by trainers that are saved after each epoch.
        recordable: whether the default way must record the steps.
        refused: a word of the error that names the part, or None if the trainer takes it.
        needs: packages besides torch.
    """

    part: str
    make: Callable[[], nn.Module] = perceptron
    recipe: Recipe = ADAM
    data: Callable[[], Dataset[Any] | DataLoader[Any]] = tiny_set
    watcher: Callable[[], Watcher] = Watcher
    schedule: Callable[[torch.optim.Optimizer, int], LRScheduler] | None = None
    update: Callable[[Any, Closure], object] = step_alone
    saved: bool = False
    recordable: bool = False
    refused: str | None = None
    needs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A part that is not about training: `run` uses it, given a way, and asserts what comes out.

    Attributes: as those of `Row`.
    """

    part: str
    run: Callable[[Execution], None]
    refused: str | None = None
    needs: tuple[str, ...] = ()


def outcome(model: nn.Module, optimizer: torch.optim.Optimizer, watcher: Watcher) -> dict[str, Any]:
    """Returns all that a training has made, by name: tensors as copies, and other values."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    parts = {
        "weight": parameters,
        "buffer": dict(model.named_buffers()),
        "gradient": {name: p.grad for name, p in parameters.items()},
        "optimizer": optimizer.state_dict(),
        "found": watcher.found,
    }
    return leaves(parts)


def leaves(value: Any, name: str = "") -> dict[str, Any]:
    """Returns the tensors and plain values within lists and dictionaries, by their path."""
    if isinstance(value, Mapping):
        inner: Iterable[tuple[object, Any]] = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    else:
        return {name: value.detach().clone() if isinstance(value, Tensor) else value}
    return {
        path: leaf for key, part in inner for path, leaf in leaves(part, f"{name}/{key}").items()
    }
