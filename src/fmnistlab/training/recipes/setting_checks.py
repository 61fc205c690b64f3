"""The settings of a recipe that are no single number, checked; and those that go together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from torch import Tensor

from fmnistlab.data.augmentation.protocol import Augmentation
from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.foundation.checks import number, refused, shown, whole_number
from fmnistlab.training.recipes.schedules import WARMED_UP

if TYPE_CHECKING:  # which imports this file
    from fmnistlab.training.recipes.recipe import Recipe

Sampling: TypeAlias = Literal["shuffled", "balanced"]
"""How the images of an epoch are chosen."""

SAMPLINGS: Final[tuple[Sampling, ...]] = get_args(Sampling)

A_RECIPE: Final = 'a Recipe, such as recipes.FAST or recipes.named_recipe("fast")'
"""What to give where a recipe is asked for, in a message."""

AN_OPTIMIZER: Final = "a function that makes a torch.optim.Optimizer from parameters"
"""Likewise."""

BALANCED: Final = "balanced"
"""Classes that count the same, however many images they have."""

MAX_EPOCHS = 1_000_000_000
"""Most epochs of one fit; larger numbers are slips of the hand."""

LARGEST_WEIGHT: Final = 1e6
"""Most that a class may count, and 1 / the least above 0: their sums must fit into float32, which
knows 16,777,216 steps between two powers of 2."""

LARGEST_FLOAT32: Final = 3.4028234e38
"""Largest number of the gradients' type, rounded down."""

PLATEAU_METRICS: Final = ("val_loss", "val_accuracy", "loss", "accuracy")
"""What the schedule "plateau" can watch."""


def checked_epochs(value: object) -> int:
    """Returns a number of epochs as Python's own integer.

    Raises:
        ConfigurationError: it is no whole number from 1 to `MAX_EPOCHS`.
    """
    return whole_number("epochs", value, most=MAX_EPOCHS)


def refuse_pointless(recipe: Recipe) -> None:
    """Refuses settings that would do nothing beside the others.

    Raises:
        ConfigurationError: there is one.
    """
    sgd, named = recipe.optimizer == "sgd", isinstance(recipe.optimizer, str)
    rules = [
        r
        for r in recipe.parameter_rules
        if (r.learning_rate_factor, r.weight_decay) != (None, None)
    ]
    own_loss = recipe.loss is not None
    plateau = recipe.schedule == "plateau"
    conditions = {
        "weight_decay": (recipe.weight_decay > 0, named, "an optimizer that is known by name"),
        "momentum": (recipe.momentum > 0, sgd, 'optimizer="sgd"'),
        "nesterov": (recipe.nesterov, sgd and recipe.momentum > 0, 'optimizer="sgd" and momentum'),
        "parameter_rules": (bool(rules), named, "an optimizer that is known by name"),
        "warmup_epochs": (
            recipe.warmup_epochs > 0,
            recipe.schedule in WARMED_UP,
            f"one of the schedules {', '.join(WARMED_UP)}",
        ),
        "milestones": (bool(recipe.milestones), recipe.schedule == "step", 'schedule="step"'),
        "gamma": (
            recipe.gamma != type(recipe).gamma,
            plateau or recipe.schedule == "step",
            'schedule="step" or schedule="plateau"',
        ),
        "patience": (recipe.patience != type(recipe).patience, plateau, 'schedule="plateau"'),
        "plateau_metric": (
            recipe.plateau_metric != type(recipe).plateau_metric,
            plateau,
            'schedule="plateau"',
        ),
        "label_smoothing": (recipe.label_smoothing > 0, not own_loss, "cross-entropy as loss"),
        "class_weights": (bool(recipe.class_weights), not own_loss, "cross-entropy as loss"),
    }
    for name, (given, useful, needed) in conditions.items():
        if given and not useful:
            value = shown(getattr(recipe, name))
            raise ConfigurationError(f"{name} is {value}, which only works with {needed}.")
    if recipe.schedule == "step" and not recipe.milestones:
        raise ConfigurationError(
            "schedule is 'step', which needs milestones: numbers of epochs, such as (5, 8)."
        )


def require_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Refuses a setting that is none of its words.

    Raises:
        ConfigurationError: it is not.
    """
    if not isinstance(value, str) or value not in choices:
        near = suggestion(value, choices) if isinstance(value, str) else ""
        raise ConfigurationError(
            f"{name} is {shown(value)}; use one of {', '.join(choices)}.{near}"
        )


def number_or_none(name: str, value: object) -> float | None:
    """Returns a number above 0 that float32 can hold, or None.

    Raises:
        ConfigurationError: it is something else.
    """
    return None if value is None else number(name, value, above=0, most=LARGEST_FLOAT32)


def checked_milestones(value: object) -> tuple[int, ...]:
    """Returns rising numbers of epochs.

    Raises:
        ConfigurationError: they are something else.
    """
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise refused("milestones", value, "a list of numbers of epochs, such as (5, 8)")
    milestones = tuple(whole_number("milestones", each, most=MAX_EPOCHS) for each in value)
    if sorted({*milestones}) != [*milestones]:
        raise refused("milestones", value, "rising numbers of epochs, such as (5, 8)")
    return milestones


def checked_class_weights(value: object) -> tuple[float, ...] | Literal["balanced"]:
    """Returns a number for each class, or "balanced".

    Raises:
        ConfigurationError: it is something else, or no class counts.
    """
    if isinstance(value, str):
        if value != BALANCED:
            raise refused("class_weights", value, 'one number for each class, or "balanced"')
        return BALANCED
    if isinstance(value, bytes | Mapping) or not isinstance(value, Iterable):
        raise refused("class_weights", value, 'one number for each class, or "balanced"')
    weights = tuple(map(_class_weight, value))
    if weights and not any(weights):
        raise refused("class_weights", value, "at least one number above 0")
    return weights


def _class_weight(value: object) -> float:
    value = value.item() if isinstance(value, Tensor) and value.ndim == 0 else value
    weight = number("class_weights", value, least=0, most=LARGEST_WEIGHT)
    if 0 < weight < 1 / LARGEST_WEIGHT:
        raise refused(
            "class_weights",
            value,
            f"0, or a number from {1 / LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}",
        )
    return weight


def checked_augmentation(value: Iterable[Augmentation]) -> tuple[Augmentation, ...]:
    """Returns augmentations.

    Raises:
        ConfigurationError: they are something else.
    """
    wanted = "a list of objects such as HorizontalFlip()"
    try:
        changes = tuple(value)
    except TypeError as error:
        raise refused("augmentation", value, wanted) from error
    for change in changes:
        if isinstance(change, type) or not isinstance(change, Augmentation):
            raise refused("augmentation", value, wanted)
    return changes
