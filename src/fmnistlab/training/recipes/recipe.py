"""How to train: every number that changes the result, in one frozen object."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from fmnistlab.data.augmentation.description import augmentation_from_dict, augmentation_to_dict
from fmnistlab.data.augmentation.protocol import Augmentation
from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.foundation.checks import instance_of, number, refused, shown, whole_number
from fmnistlab.foundation.foreign_words import RECIPE, foreign_words
from fmnistlab.training.recipes.described import describe, describe_augmentation
from fmnistlab.training.recipes.optimizers import OPTIMIZERS, OptimizerName, named_optimizer
from fmnistlab.training.recipes.parameter_rules import ParameterRule, checked_rules, settings_of
from fmnistlab.training.recipes.schedules import (
    SCHEDULES,
    ScheduleName,
    plateau_schedule,
    step_schedule,
)
from fmnistlab.training.recipes.setting_checks import (
    AN_OPTIMIZER,
    BALANCED,
    PLATEAU_METRICS,
    SAMPLINGS,
    Sampling,
    checked_augmentation,
    checked_class_weights,
    checked_epochs,
    checked_milestones,
    number_or_none,
    refuse_pointless,
    require_choice,
)
from fmnistlab.training.recipes.step_options import PRECISIONS, Precision, StepOptions

OptimizerFactory: TypeAlias = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
"""Makes an optimizer for the parameters it is given."""

LossFunction: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Maps logits (batch, classes) and labels to the mean loss of the batch, a 0-dim tensor."""

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
        nesterov: whether that is Nesterov's (Sutskever et al. 2013).
        parameter_rules: other rates and decays for some parameters, and for how many epochs they
            are frozen; see `ParameterRule`.
        schedule: how the learning rate moves after each step: "constant"; "cosine" (Loshchilov and
            Hutter 2017) and "linear": down to 0 over the fit; "step": times `gamma` after each of
            the `milestones`; "one_cycle": up and down again (Smith 2018), as
            `torch.optim.lr_scheduler.OneCycleLR` with `cycle_momentum=False`. Or after an epoch:
            "plateau", times `gamma` when `plateau_metric` has not improved for more than `patience`
            epochs, as `torch.optim.lr_scheduler.ReduceLROnPlateau`. Each group of the optimizer
            starts at, or rises to, its own learning rate.
        warmup_epochs: epochs, or a part of one, in which the rate first rises in a line; from 0.
        milestones: numbers of epochs of the fit, rising, from 1.
        gamma: above 0 and below 1.
        patience: epochs, from 0.
        plateau_metric: "val_loss", "val_accuracy", "loss" or "accuracy".
        clip_norm: largest norm of all gradients together, above 0; None for any. As
            `torch.nn.utils.clip_grad_norm_`.
        clip_value: largest size of each number in a gradient, above 0; None for any; applied first.
        accumulation_steps: parts in which each batch of `batch_size` images is computed, one after
            the other, so that a large batch needs the memory of a small one; from 1. Their
            gradients are added up to that of the batch.
        precision: "bfloat16" computes forward and loss of a training step under `torch.autocast`;
            weights, evaluation and predictions stay float32.
        ema_decay: decay of an exponential average of the weights and buffers, after each step, from
            0 to below 1; 0 for none. As `torch.optim.swa_utils.AveragedModel(use_buffers=True)`,
            but counters stay counters. The averaged weights are validated, callbacks see them when
            an epoch ends, and the model has them when the fit has ended.
        sampling: "balanced" draws the images of an epoch with replacement, each class as often as
            the others, labels below 0 never; as many as there are.
        label_smoothing: 0 to below 1, in training only; evaluation always takes the plain loss.
        class_weights: how much the images of each class count in the training loss, from 0, not all
            of them 0; "balanced" for n / (classes * images of the class) as in scikit-learn's
            `compute_class_weight`; () for one each. Evaluation always takes the plain loss.
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
    nesterov: bool = False
    parameter_rules: tuple[ParameterRule, ...] = ()
    schedule: ScheduleName = "constant"
    warmup_epochs: float = 0.0
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    patience: int = 10
    plateau_metric: str = "val_loss"
    clip_norm: float | None = None
    clip_value: float | None = None
    accumulation_steps: int = 1
    precision: Precision = "float32"
    ema_decay: float = 0.0
    sampling: Sampling = "shuffled"
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | Literal["balanced"] = ()
    augmentation: tuple[Augmentation, ...] = ()
    loss: LossFunction | None = None

    def __post_init__(self) -> None:
        checked: dict[str, object] = {
            "epochs": checked_epochs(self.epochs),
            "batch_size": whole_number("batch_size", self.batch_size, most=MAX_BATCH_SIZE),
            "learning_rate": number("learning_rate", self.learning_rate, above=0),
            "weight_decay": number("weight_decay", self.weight_decay, least=0),
            "momentum": number("momentum", self.momentum, least=0, below=1),
            "parameter_rules": checked_rules(self.parameter_rules),
            "warmup_epochs": number("warmup_epochs", self.warmup_epochs, least=0),
            "milestones": checked_milestones(self.milestones),
            "gamma": number("gamma", self.gamma, above=0, below=1),
            "patience": whole_number("patience", self.patience, least=0),
            "clip_norm": number_or_none("clip_norm", self.clip_norm),
            "clip_value": number_or_none("clip_value", self.clip_value),
            "accumulation_steps": whole_number("accumulation_steps", self.accumulation_steps),
            "ema_decay": number("ema_decay", self.ema_decay, least=0, below=1),
            "label_smoothing": number("label_smoothing", self.label_smoothing, least=0, below=1),
            "class_weights": checked_class_weights(self.class_weights),
            "augmentation": checked_augmentation(self.augmentation),
        }
        if not callable(self.optimizer):
            require_choice("optimizer", self.optimizer, OPTIMIZERS)
        require_choice("schedule", self.schedule, SCHEDULES)
        require_choice("plateau_metric", self.plateau_metric, PLATEAU_METRICS)
        require_choice("precision", self.precision, PRECISIONS)
        require_choice("sampling", self.sampling, SAMPLINGS)
        if not isinstance(self.nesterov, bool):
            raise refused("nesterov", self.nesterov, "True or False")
        if self.loss is not None and not callable(self.loss):
            raise refused("loss", self.loss, "a function of logits and labels, or None")
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        refuse_pointless(self)

    def replace(self, **changes: Any) -> Recipe:
        """Returns a copy with some settings changed; unknown names are errors.

        Raises:
            ConfigurationError: a setting is impossible or does not exist.
        """
        _require_known(changes)
        return dataclasses.replace(self, **changes)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Returns the optimizer for all parameters of `model` that require a gradient, or will.

        Call it after the model is on its device and has its final layout.

        Raises:
            ConfigurationError: the model has nothing to train, or nothing that a rule is for.
        """
        settings = settings_of(
            model,
            self.parameter_rules,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        parameters = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad or settings[name].frozen_epochs is not None
        }
        if not parameters:
            raise ConfigurationError(f"{type(model).__name__} has no parameters to train.")
        if not isinstance(self.optimizer, str):
            made = self.optimizer([*parameters.values()])
            return instance_of("what optimizer makes", made, torch.optim.Optimizer, AN_OPTIMIZER)
        return named_optimizer(
            self.optimizer,
            parameters,
            settings,
            momentum=self.momentum,
            nesterov=self.nesterov,
        )

    def make_schedule(
        self, optimizer: torch.optim.Optimizer, total_steps: int | None, epochs: int | None = None
    ) -> LRScheduler | None:
        """Returns what moves the learning rate after each step, or None if nothing does.

        Args:
            optimizer: whose learning rate is moved.
            total_steps: steps of the whole fit; None if unknown.
            epochs: of the whole fit; the recipe's number if None.

        Raises:
            ConfigurationError: the schedule needs to know the number of steps, or the warm-up is
                longer than the fit.
        """
        return step_schedule(
            self.schedule,
            optimizer,
            total_steps=total_steps,
            epochs=self.epochs if epochs is None else epochs,
            warmup_epochs=self.warmup_epochs,
            milestones=self.milestones,
            gamma=self.gamma,
        )

    def make_plateau(self, optimizer: torch.optim.Optimizer) -> ReduceLROnPlateau | None:
        """Returns what moves the learning rate after each epoch, or None if nothing does.

        Args:
            optimizer: whose learning rate is moved.
        """
        if self.schedule != "plateau":
            return None
        return plateau_schedule(
            optimizer, metric=self.plateau_metric, gamma=self.gamma, patience=self.patience
        )

    def step_options(self) -> StepOptions:
        """Returns what a training step does besides forward, backward and the optimizer's step."""
        return StepOptions(
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
            accumulation_steps=self.accumulation_steps,
            precision=self.precision,
            ema_decay=self.ema_decay,
        )

    @functools.cached_property
    def weighted_loss(self) -> nn.CrossEntropyLoss:
        """Cross-entropy with this recipe's weights of classes.

        Raises:
            ConfigurationError: they are "balanced", and only a fit knows the images.
        """
        if self.class_weights == BALANCED:
            raise ConfigurationError(
                'class_weights="balanced" are those of some images; only a fit has them.'
            )
        weights = torch.tensor(self.class_weights, dtype=torch.float32)
        return nn.CrossEntropyLoss(weights, label_smoothing=self.label_smoothing)

    def training_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Returns the mean loss of a batch that training descends, a 0-dim tensor.

        Raises:
            ConfigurationError: as of `weighted_loss`.
        """
        if self.loss is not None:
            return self.loss(logits, labels)
        if self.class_weights:
            weighted: Tensor = self.weighted_loss(logits, labels)
            return weighted
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
                "A recipe with an optimizer or a loss of your own cannot be written to a file, so "
                "it is for Trainer and fit_seeds, not for run folders; give the recipe again when "
                "you load."
            )
        values: dict[str, object] = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "loss"
        }
        values["augmentation"] = [augmentation_to_dict(change) for change in self.augmentation]
        values["parameter_rules"] = [rule.to_dict() for rule in self.parameter_rules]
        for name in ("milestones", "class_weights"):
            value = values[name]
            values[name] = [*value] if isinstance(value, tuple) else value
        return values

    def describe(self) -> dict[str, Any]:
        """Returns all settings as values of JSON, code by its name; see `described.describe`.

        Of a recipe without code it is what `to_dict` returns.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        described = {name: describe(v) for name, v in values.items() if name != "augmentation"}
        if self.loss is None:
            del described["loss"]
        described["augmentation"] = [*map(describe_augmentation, self.augmentation)]
        described["parameter_rules"] = [rule.to_dict() for rule in self.parameter_rules]
        return described

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Returns the recipe that `to_dict` described.

        Of the code that it names only what installed packages offer is imported.

        Raises:
            ConfigurationError: a setting is impossible or does not exist.
            AugmentationLoadError: an augmentation that is named cannot be imported.
        """
        return cls(**settings_from_dict(values))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Recipe:
        """Returns the recipe in a file, TOML or JSON.

        It has settings as `to_dict` names them. `base` may name a recipe that it begins from, in
        place of the classic one. Code of an augmentation that it names is run.

        Args:
            path: its name ends in .toml or .json.

        Raises:
            ConfigurationError: the file cannot be read, or a setting is impossible or does not
                exist.
            UnknownRecipeError, RecipeNameClashError, RecipeLoadError: of the recipe it begins from.
            AugmentationLoadError: an augmentation that is named cannot be imported.
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


def _require_known(names: Iterable[str]) -> None:
    known = [field.name for field in dataclasses.fields(Recipe)]
    for name in names:
        if name not in known:
            said = RECIPE.get(str(name))
            near = f"; {said}." if said else f".{suggestion(str(name), known)}"
            raise ConfigurationError(f"A recipe has no setting {shown(name)}{near}")
