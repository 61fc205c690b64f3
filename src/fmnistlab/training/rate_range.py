"""The learning-rate range test: the rate rises from step to step until the loss explodes."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from fmnistlab import seeding
from fmnistlab.data.augmentation.check import check_augmentations
from fmnistlab.data.batch import Batch, BatchSource
from fmnistlab.data.batches import Data, batch_source
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation import html
from fmnistlab.foundation.checks import instance_of, number, whole_number
from fmnistlab.foundation.global_random import isolated_randomness
from fmnistlab.models.seeded import ModelMaker, seeded_model
from fmnistlab.training.device import choose_device, named_memory_errors
from fmnistlab.training.loop.preparation import Preparation
from fmnistlab.training.recipes.class_weights import with_class_weights
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.recipes.setting_checks import A_RECIPE, BALANCED
from fmnistlab.training.steps.eager import TrainingStep

MOST_STEPS: Final = 1000
"""Steps of a range test."""

_MEMORY: Final = 0.9  # what the mean of the losses keeps of itself at each step
_EXPLODED: Final = 4.0  # times the smallest mean
_FEWEST: Final = 10
_SAFETY: Final = 10.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearningRateRange:
    """What a range test has seen.

    Attributes:
        rates: of the steps, rising, up to the one after which the loss exploded.
        losses: of each step's batch, before the step.
        smoothed: exponential mean of the losses so far.
        exploded: the rate of the last step if the loss exploded there; None if it never did.
        steps: how many were planned.
        batch_size: images in a batch.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    exploded: float | None
    steps: int
    batch_size: int

    @property
    def steepest(self) -> float | None:
        """The rate at which the smoothed loss falls fastest; None if it never falls."""
        if len(self.rates) < _FEWEST:
            return None
        slopes = np.gradient(np.asarray(self.smoothed), np.log(np.asarray(self.rates)))
        lowest = int(np.argmin(self.smoothed))
        if lowest == 0:
            return None
        at = int(np.argmin(slopes[: lowest + 1]))
        return self.rates[at] if slopes[at] < 0 else None

    @property
    def largest(self) -> float | None:
        """A tenth of the rate at which the loss exploded; None if it never did."""
        return None if self.exploded is None else self.exploded / _SAFETY

    @property
    def sentences(self) -> tuple[str, ...]:
        """What can be said, in words."""
        told = []
        if self.steepest is not None:
            told.append(f"The loss falls fastest at a learning rate of {self.steepest:.2g}.")
        if self.exploded is not None:
            told.append(
                f"It explodes at {self.exploded:.2g}; a tenth of that is {self.largest:.2g}, a "
                "start for the peak of a one-cycle schedule."
            )
        else:
            told.append(f"It did not explode up to {self.rates[-1]:.2g}.")
        told.append(
            f"Seen in {len(self.rates)} steps with batches of {self.batch_size} images; a hint "
            "where to search, no result."
        )
        return tuple(told)

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as values of JSON."""
        return {
            **dataclasses.asdict(self),
            "steepest": self.steepest,
            "largest": self.largest,
            "sentences": list(self.sentences),
        }

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        facts = {"steepest": self.steepest, "exploded": self.exploded, "a tenth": self.largest}
        shown = [(name, None if rate is None else f"{rate:.2g}") for name, rate in facts.items()]
        return html.facts("Learning rates", shown)


def learning_rate_range(
    model: nn.Module | ModelMaker,
    train: Data,
    *,
    recipe: Recipe = CLASSIC,
    low: float = 1e-5,
    high: float = 1.0,
    steps: int = 200,
    seed: int = 0,
    device: str | torch.device = "auto",
) -> LearningRateRange:
    """Makes steps with a rising learning rate, and tells where the loss falls and explodes.

    The rate grows by the same factor at each step (Smith 2015, arXiv 1506.01186). The test ends
    when the smoothed loss is four times its smallest value, or not finite. The schedule of the
    recipe is left out; groups of the optimizer keep the ratio of their rates.

    Args:
        model: as for `Trainer`; a copy is trained, so a model that is given stays as it is.
        train: as for `Trainer.fit`; it is gone through as often as there are steps to make.
        recipe: how to train otherwise.
        low: the first rate, above 0.
        high: the last one, above `low`.
        steps: 10 to 1,000.
        seed: 0 to 2**63 - 1; determines first weights, order of images and noise.
        device: where to train; see `DevicePlacement`.

    Raises:
        ConfigurationError: a number is out of range, or data or loss cannot be used.
        ItemError: an image or a label cannot be right.
        ModelOutputError: the model does not return class scores.
        DeviceMemoryError: the device has too little memory.
    """
    low = number("low", low, above=0)
    high = number("high", high, above=low)
    steps = whole_number("steps", steps, least=_FEWEST, most=MOST_STEPS)
    instance_of("recipe", recipe, Recipe, A_RECIPE)
    seed, chosen = seeding.checked_seed(seed), choose_device(device)
    made = copy.deepcopy(model) if isinstance(model, nn.Module) else seeded_model(model, seed)
    source = batch_source(
        train,
        device=chosen,
        batch_size=recipe.batch_size,
        seed=seed,
        augmentation=recipe.augmentation,
        balanced=recipe.sampling == BALANCED,
    )
    if recipe.augmentation:
        check_augmentations(recipe.augmentation, source.example().images, seed)
    rates = [float(rate) for rate in np.geomspace(low, high, steps)]
    with (
        isolated_randomness(seeding.derive_seed(seed, "rate range"), chosen),
        named_memory_errors(chosen, "training", recipe.batch_size),
    ):
        preparation = Preparation()
        scores = preparation.for_images(made, source, chosen)
        recipe = with_class_weights(recipe, source, scores)
        preparation.for_training(
            made, (source, None), recipe.training_loss, chosen, parts=recipe.accumulation_steps
        )
        losses, smoothed, exploded = _rise(made.train(), source, recipe, rates)
    if not losses:
        raise ConfigurationError("The loss of the first batch is no finite number.")
    return LearningRateRange(
        rates=tuple(rates[: len(losses)]),
        losses=tuple(losses),
        smoothed=tuple(smoothed),
        exploded=exploded,
        steps=steps,
        batch_size=recipe.batch_size,
    )


def _rise(
    model: nn.Module, source: BatchSource, recipe: Recipe, rates: list[float]
) -> tuple[list[float], list[float], float | None]:
    """Makes the steps; returns losses, smoothed losses, and the rate at which they exploded."""
    optimizer = recipe.make_optimizer(model)
    step = TrainingStep(model, optimizer, recipe.training_loss, None, recipe.step_options())
    own = [float(group["lr"]) for group in optimizer.param_groups]
    losses: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    for count, (rate, batch) in enumerate(zip(rates, _batches(source), strict=False), start=1):
        for group, usual in zip(optimizer.param_groups, own, strict=True):
            new = rate * (usual / own[0] if own[0] else 1.0)
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(new)
            else:
                group["lr"] = new
        loss = float(step(batch)[0])
        if not math.isfinite(loss):
            return losses, smoothed, rate
        mean = _MEMORY * mean + (1 - _MEMORY) * loss
        losses.append(loss)
        smoothed.append(mean / (1 - _MEMORY**count))
        if smoothed[-1] > _EXPLODED * min(smoothed):
            return losses, smoothed, rate
    return losses, smoothed, None


def _batches(source: BatchSource) -> Iterator[Batch]:
    """Yields the batches of one epoch after the other."""
    for epoch in itertools.count(1):
        yield from source.training_batches(epoch)
