"""How to train: every number that changes the result, in one frozen object."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parameter import is_lazy
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from fmnistlab.data.augmentation.description import augmentation_from_dict, augmentation_to_dict
from fmnistlab.data.augmentation.protocol import Augmentation
from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.foundation.checks import number, refused, shown, whole_number
from fmnistlab.foundation.compiler import compiler_left_out
from fmnistlab.foundation.foreign_words import RECIPE, foreign_words
from fmnistlab.training.recipes.described import describe

OptimizerFactory: TypeAlias = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
"""Makes an optimizer for the parameters it is given."""

LossFunction: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Maps logits (batch, classes) and labels to the mean loss of the batch, a 0-dim tensor."""

OptimizerName: TypeAlias = Literal["adam", "adamw", "sgd"]
"""Optimizers that a recipe knows by name."""

ScheduleName: TypeAlias = Literal["constant", "cosine", "one_cycle"]
"""Ways to move the learning rate after each step."""

OPTIMIZERS: Final[tuple[OptimizerName, ...]] = get_args(OptimizerName)
SCHEDULES: Final[tuple[ScheduleName, ...]] = get_args(ScheduleName)

MAX_EPOCHS = 1_000_000_000
"""Most epochs of one fit; larger numbers are slips of the hand."""

MAX_BATCH_SIZE = 1_000_000_000
"""Most images in a batch; a batch that is larger than the data holds all of it."""


@foreign_words(RECIPE)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a training; the defaults are the tutorial's.

    Args:
        epochs: passes over the training data, 1 to `MAX_EPOCHS`.
        batch_size: images in a training batch, 1 to `MAX_BATCH_SIZE`.
        optimizer: "adam", "adamw", "sgd", or a function that makes one from the parameters; such
            a function also decides the learning rate and all else of the optimizer.
        learning_rate: start (or, for "one_cycle", peak) of the learning rate, above 0; of the
            optimizers known by name. One of your own has its own rates.
        weight_decay: L2 factor, from 0; decoupled for "adamw".
        momentum: momentum of "sgd", 0 to below 1.
        schedule: "constant"; "cosine": down to 0 over the fit (Loshchilov and Hutter 2017);
            "one_cycle": up and down again (Smith 2018), as `torch.optim.lr_scheduler.OneCycleLR`.
            Both move after each step; each group of the optimizer starts at, or rises to, its own
            learning rate.
        label_smoothing: 0 to below 1, in training only; evaluation always takes the plain loss.
        augmentation: changes of the training images, one after the other; see
            `fmnistlab.data.Augmentation`.
        loss: another loss than cross-entropy: a function of (logits, labels) that returns the
            mean over the batch.

    Raises:
        ConfigurationError: a setting is impossible.
    """

    epochs: int = 10
    batch_size: int = 32
    optimizer: OptimizerName | OptimizerFactory = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.0
    schedule: ScheduleName = "constant"
    label_smoothing: float = 0.0
    augmentation: tuple[Augmentation, ...] = ()
    loss: LossFunction | None = None

    def __post_init__(self) -> None:
        checked: dict[str, object] = {
            "epochs": checked_epochs(self.epochs),
            "batch_size": whole_number("batch_size", self.batch_size, most=MAX_BATCH_SIZE),
            "learning_rate": number("learning_rate", self.learning_rate, above=0),
            "weight_decay": number("weight_decay", self.weight_decay, least=0),
            "momentum": number("momentum", self.momentum, least=0, below=1),
            "label_smoothing": number("label_smoothing", self.label_smoothing, least=0, below=1),
            "augmentation": _checked_augmentation(self.augmentation),
        }
        if not callable(self.optimizer):
            _require_choice("optimizer", self.optimizer, OPTIMIZERS)
        _require_choice("schedule", self.schedule, SCHEDULES)
        if self.loss is not None and not callable(self.loss):
            raise refused("loss", self.loss, "a function of logits and labels, or None")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def replace(self, **changes: Any) -> Recipe:
        """Returns a copy with some settings changed; unknown names are errors.

        Raises:
            ConfigurationError: a setting is impossible or does not exist.
        """
        _require_known(changes)
        return dataclasses.replace(self, **changes)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Returns the optimizer for all parameters of `model` that require a gradient.

        Call it after the model is on its device and has its final layout.

        Raises:
            ConfigurationError: the model has nothing to train.
        """
        parameters = [p for p in model.parameters() if p.requires_grad]
        if not parameters:
            raise ConfigurationError(f"{type(model).__name__} has no parameters to train.")
        if not isinstance(self.optimizer, str):
            return self.optimizer(parameters)
        fused = all(map(_can_be_fused, parameters))
        rate, decay = self.learning_rate, self.weight_decay
        with compiler_left_out(torch.optim.Optimizer.add_param_group):
            if self.optimizer == "sgd":
                # Torch's fused kernel fails where some parameters have no momentum yet, as after
                # unfreezing a layer.
                fused = fused and self.momentum == 0
                return torch.optim.SGD(
                    parameters, rate, momentum=self.momentum, weight_decay=decay, fused=fused
                )
            kind = torch.optim.AdamW if self.optimizer == "adamw" else torch.optim.Adam
            return kind(parameters, rate, weight_decay=decay, fused=fused)

    def make_schedule(
        self, optimizer: torch.optim.Optimizer, total_steps: int | None
    ) -> LRScheduler | None:
        """Returns what moves the learning rate after each step, or None if it stays.

        Args:
            optimizer: whose learning rate is moved.
            total_steps: steps of the whole fit; None if unknown.

        Raises:
            ConfigurationError: the schedule needs to know the number of steps.
        """
        if self.schedule == "constant":
            return None
        if total_steps is None:
            raise ConfigurationError(
                f"The schedule {self.schedule!r} needs the number of batches, and the training "
                'loader has no length. Use schedule="constant" or a loader with a length.'
            )
        rates = [own_rate(group) for group in optimizer.param_groups]
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            if isinstance(group["lr"], Tensor):  # a captured step may hold on to it
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        if self.schedule == "cosine":
            return CosineAnnealingLR(optimizer, T_max=total_steps)
        return OneCycleLR(optimizer, rates, total_steps=total_steps, cycle_momentum=False)

    def training_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Returns the mean loss of a batch that training descends, a 0-dim tensor."""
        if self.loss is not None:
            return self.loss(logits, labels)
        return cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    def evaluation_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Returns the mean loss of a batch that is reported, a 0-dim tensor, never smoothed."""
        return self.loss(logits, labels) if self.loss is not None else cross_entropy(logits, labels)

    def to_dict(self) -> dict[str, object]:
        """Returns all settings as plain JSON-able values.

        Raises:
            ConfigurationError: a setting is a function of your own, which no file can hold.
        """
        if not isinstance(self.optimizer, str) or self.loss is not None:
            raise ConfigurationError(
                "A recipe with an optimizer or a loss of your own cannot be written to a file; "
                "give the recipe again when you load."
            )
        values: dict[str, object] = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "loss"
        }
        values["augmentation"] = [augmentation_to_dict(change) for change in self.augmentation]
        return values

    def describe(self) -> dict[str, Any]:
        """Returns all settings as values of JSON, code by its name; see `described.describe`.

        Of a recipe without code it is what `to_dict` returns.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        described = {name: describe(v) for name, v in values.items() if name != "augmentation"}
        if self.loss is None:
            del described["loss"]
        described["augmentation"] = [_described(change) for change in self.augmentation]
        return described

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Returns the recipe that `to_dict` described.

        No code is run because of a name in it, but for that of installed packages which offer it.

        Raises:
            ConfigurationError: a setting is impossible or does not exist.
            UnknownAugmentationError, AugmentationNameClashError, AugmentationLoadError: of a name
                of an augmentation.
        """
        return cls(**settings_from_dict(values))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Recipe:
        """Returns the recipe in a file, TOML or JSON.

        It has settings as `to_dict` names them. `base` may name a recipe that it begins from, in
        place of the classic one. The code of an augmentation that it names is run.

        Args:
            path: its name ends in .toml or .json.

        Raises:
            ConfigurationError: the file cannot be read, or a setting is impossible or does not
                exist.
            UnknownRecipeError, RecipeNameClashError, RecipeLoadError: of the recipe it begins from.
            UnknownAugmentationError, AugmentationNameClashError, AugmentationLoadError: of a name
                of an augmentation.
        """
        from fmnistlab.training.recipes.file import read_recipe  # noqa: PLC0415 - it makes recipes

        return read_recipe(path)

    def to_toml(self) -> str:
        """Returns all settings as the content of a file that `from_file` reads.

        Raises:
            ConfigurationError: as of `to_dict`.
        """
        from fmnistlab.training.recipes.file import toml_text  # noqa: PLC0415 - it imports Recipe

        return toml_text(self.to_dict())


def settings_from_dict(
    values: Mapping[str, Any],
    augmentation: Callable[[dict[str, Any]], Augmentation] = augmentation_from_dict,
) -> dict[str, Any]:
    """Returns the settings, as `Recipe` takes them, that a dictionary like `to_dict`'s describes.

    Args:
        values: all settings, or some.
        augmentation: makes an augmentation from its description.

    Raises:
        ConfigurationError: it is none, or a setting does not exist; others are left to `Recipe`.
    """
    if not isinstance(values, Mapping):
        raise refused("a recipe", values, "the dictionary that Recipe.to_dict returns")
    _require_known(values)
    if "augmentation" not in values:
        return dict(values)
    described = values["augmentation"]
    if not isinstance(described, list | tuple):
        raise refused("augmentation", described, "a list of descriptions")
    return {**values, "augmentation": tuple(map(augmentation, described))}


def checked_epochs(value: object) -> int:
    """Returns a number of epochs as Python's own integer.

    Raises:
        ConfigurationError: it is no whole number from 1 to `MAX_EPOCHS`.
    """
    return whole_number("epochs", value, most=MAX_EPOCHS)


def own_rate(group: Mapping[str, Any]) -> float:
    """Returns the learning rate that a group of an optimizer was given.

    A schedule of an earlier fit has noted it there, and may have left the present rate low.
    """
    return float(group.get("max_lr", group.get("initial_lr", group["lr"])))


def own_loss(loss: LossFunction) -> LossFunction:
    """Returns the loss that a recipe's method calls, its own or torch's; others as they are."""
    recipe = getattr(loss, "__self__", None)
    return (recipe.loss or cross_entropy) if isinstance(recipe, Recipe) else loss


_FUSED = ("cpu", "cuda", "mps", "xpu")


def _can_be_fused(parameter: nn.Parameter) -> bool:
    """Returns whether torch's fused kernels are right for a parameter.

    They walk through memory, so one with gaps, such as a slice, would be moved wrongly by them
    (seen with torch 2.13).
    """
    known = parameter.dtype.is_floating_point and parameter.device.type in _FUSED
    return (
        known
        and not is_lazy(parameter)
        and parameter.stride() == torch.empty_like(parameter).stride()
    )


def _described(change: Augmentation) -> Any:
    try:
        return augmentation_to_dict(change)
    except ConfigurationError:  # it is no dataclass, or has settings that no file can hold
        return describe(change)


def _require_known(names: Iterable[str]) -> None:
    known = [field.name for field in dataclasses.fields(Recipe)]
    for name in names:
        if name not in known:
            said = RECIPE.get(str(name))
            near = f"; {said}." if said else f".{suggestion(str(name), known)}"
            raise ConfigurationError(f"A recipe has no setting {shown(name)}{near}")


def _require_choice(name: str, value: object, choices: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        near = suggestion(value, choices) if isinstance(value, str) else ""
        raise ConfigurationError(
            f"{name} is {shown(value)}; use one of {', '.join(choices)}.{near}"
        )


def _checked_augmentation(value: Iterable[Augmentation]) -> tuple[Augmentation, ...]:
    wanted = "a list of objects such as HorizontalFlip()"
    try:
        changes = tuple(value)
    except TypeError as error:
        raise refused("augmentation", value, wanted) from error
    for change in changes:
        if isinstance(change, type) or not isinstance(change, Augmentation):
            raise refused("augmentation", value, wanted)
    return changes
