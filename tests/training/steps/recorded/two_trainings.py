"""Two trainings side by side: one of recorded steps, one of plain steps.

How near is near enough: a replay computes the same from the same numbers, but some sums in another
order, so float32 results differ in their last digits, relative 1e-7, and training carries that on.
"""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fmnistlab.data.batch import Batch
from fmnistlab.training.recipes.recipe import LossFunction, Recipe
from fmnistlab.training.steps.eager import TrainingStep
from fmnistlab.training.steps.layout import prepare_model
from fmnistlab.training.steps.recorded.step import RecordedStep
from fmnistlab.training.trainer import Trainer

Maker = Callable[[], nn.Module]
ADAM = Recipe(batch_size=8, epochs=3)
SGD = ADAM.replace(optimizer="sgd", momentum=0.9, learning_rate=0.05)


def batches_of(count: int, size: int = 8, side: int = 28, seed: int = 0) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)
    return [
        Batch(
            torch.rand(size, 1, side, side, generator=generator),
            torch.randint(0, 10, (size,), generator=generator),
        )
        for _ in range(count)
    ]


def told(thing: TrainingStep | Trainer) -> str:
    """How steps are executed and, if as they are written, why."""
    because = thing.eager_because
    return str(thing.executed) if because is None else f"{thing.executed}: {because}"


class Trained(NamedTuple):
    model: nn.Module
    optimizer: torch.optim.Optimizer
    executed: str
    results: list[Tensor]


def train(
    kind: type[TrainingStep],
    make: Maker,
    recipe: Recipe = ADAM,
    batches: Sequence[Batch] | None = None,
    loss: Callable[[], LossFunction] | None = None,
) -> Trained:
    """Trains a new model; randomness begins the same for all. Results are losses, then logits."""
    batches = batches or batches_of(8)
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global one is meant
    model = make()
    prepare_model(model, Batch(*(part.clone() for part in batches[0])))
    optimizer = recipe.make_optimizer(model)
    schedule = recipe.make_schedule(optimizer, len(batches))
    step = kind(model, optimizer, loss() if loss else recipe.training_loss, schedule)
    with contextlib.closing(step):
        pairs = [step(Batch(*(part.clone() for part in batch))) for batch in batches]
        losses, logits = zip(*pairs, strict=True)
        return Trained(model, optimizer, told(step), [*losses, *logits])


def assert_same(one: Trained, other: Trained, *, exact: bool) -> None:
    """Results agree, and most weights: Adam makes a whole step of a gradient that is noise."""
    for mine, theirs in zip(one.results, other.results, strict=True):
        if exact:
            assert torch.equal(mine, theirs)
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)
    pairs = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    apart = torch.cat([((a - b).abs() > 1e-3).flatten() for a, b in pairs])
    assert apart.double().mean() < (1e-9 if exact else 0.05)


def compare(make: Maker, expected: str = "recorded", *arguments: Any, **options: Any) -> None:
    """A model is recorded or not, and is trained as it is written."""
    recorded = train(RecordedStep, make, *arguments, **options)
    assert re.search(expected, recorded.executed), recorded.executed
    plain = train(TrainingStep, make, *arguments, **options)
    assert_same(recorded, plain, exact=expected != "recorded")
