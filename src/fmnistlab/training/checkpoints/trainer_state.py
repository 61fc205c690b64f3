"""What a trainer writes into a checkpoint, and how it is put back."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fmnistlab.data.augmentation.description import unoffered
from fmnistlab.errors import (
    CheckpointDamagedError,
    CheckpointError,
    ConfigurationError,
    ModelLoadError,
    ModelNameClashError,
    UnknownModelError,
)
from fmnistlab.foundation.checks import shown
from fmnistlab.foundation.logger import get_logger
from fmnistlab.foundation.wording import setting, spoken
from fmnistlab.models.registry import (
    ModelOrigin,
    create_model,
    model_origin,
    model_reference,
    names_code,
)
from fmnistlab.models.seeded import ModelMaker, make_model
from fmnistlab.seeding import checked_seed
from fmnistlab.training.checkpoints.arrangement import Arrangement
from fmnistlab.training.checkpoints.file import (
    Checkpoint,
    copied,
    decode_checkpoint,
)
from fmnistlab.training.checkpoints.fit_state import FitState
from fmnistlab.training.checkpoints.optimizer_state import OptimizerState
from fmnistlab.training.execution import Execution, checked_execution
from fmnistlab.training.recipes.code_files import code_hashes
from fmnistlab.training.recipes.described import code_in
from fmnistlab.training.recipes.parameter_rules import thaw
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.history import History
from fmnistlab.version import __version__

_MODEL = "model/"
_OPTIMIZER = "optimizer/"
_FIT = "fit/"

_logger = get_logger(__name__)


class TrainerState(NamedTuple):
    """Everything a trainer needs to go on.

    Attributes:
        model: with the saved weights.
        recipe: how it is trained.
        described: the recipe as `Recipe.describe` told it when the trainer was made.
        seed: the trainer's seed.
        execution: how its steps were executed; see `execution.Execution`.
        step: training steps made.
        history: finished epochs.
        optimizer: state of the optimizer, or None if there was none.
        fit: where the fit stands that goes on, or None between two fits.
        device: where it was trained, or None; not read back.
        environment: in which it was saved; see `present_environment`.
        weights: what the file holds for the model, by name, on the CPU; empty if not read back.
        metrics: the extra metrics as `ExtraMetrics.described` told them.
    """

    model: nn.Module
    recipe: Recipe
    described: Mapping[str, Any]
    seed: int
    execution: Execution
    step: int
    history: History
    optimizer: OptimizerState | None
    fit: FitState | None = None
    device: torch.device | None = None
    environment: Mapping[str, str] = MappingProxyType({})
    weights: Mapping[str, Tensor] = MappingProxyType({})
    metrics: Sequence[Any] = ()


def capture_trainer(saved: TrainerState) -> Checkpoint:
    """Returns copies of all that a checkpoint file holds.

    Raises:
        ConfigurationError: see `model_state`.
    """
    model, optimizer = saved.model, saved.optimizer
    tensors = {_MODEL + name: tensor for name, tensor in model_state(model).items()}
    if optimizer is not None:
        tensors |= {_OPTIMIZER + name: t for name, t in optimizer.packed.tensors.items()}
    state = {
        "model": {
            **_describe_model(model),
            "frozen": [name for name, p in model.named_parameters() if not p.requires_grad],
        },
        "origin": dataclasses.asdict(model_origin(model)),
        "recipe": saved.described,
        "seed": saved.seed,
        "execution": saved.execution,
        "metrics": [*saved.metrics],
        "step": saved.step,
        "history": saved.history.to_json(),
        "optimizer": None if optimizer is None else optimizer.to_json(),
        "fit": None,
        "environment": present_environment(saved.device, saved.recipe),
    }
    if saved.fit is not None:
        of_fit, state["fit"] = saved.fit.pack()
        tensors |= {_FIT + name: tensor for name, tensor in of_fit.items()}
    return Checkpoint(copied(tensors), state)


def model_state(model: nn.Module) -> dict[str, Tensor]:
    """Returns what a checkpoint keeps of a model: all that its `state_dict` returns.

    Raises:
        ConfigurationError: some of it is no tensor, as `get_extra_state` may return it.
    """
    state: dict[str, object] = dict(model.state_dict())
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise ConfigurationError(
                f"{type(model).__name__} cannot be kept in a checkpoint: {name} of its "
                f"state_dict() is {shown(value)}, and no tensor. Let get_extra_state return one, "
                "or keep it in a buffer."
            )
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def present_environment(device: torch.device | None, recipe: Recipe) -> dict[str, str]:
    """Returns what the bits of a training depend on besides data, recipe and seed.

    Args:
        device: where it runs; None if that is not decided yet.
        recipe: its code is known by its files.
    """
    return {
        "fmnistlab": __version__,
        "torch": str(torch.__version__),
        "device": "unknown" if device is None else device.type,
        "threads": str(torch.get_num_threads()),
        **code_hashes(recipe),
    }


def warn_of_other_environment(
    saved: Mapping[str, str], device: torch.device, recipe: Recipe
) -> None:
    """Logs how this process differs from the one that wrote a checkpoint."""
    now = present_environment(device, recipe)
    pairs = [
        (name, saved.get(name, "unknown"), now.get(name, "unknown")) for name in {**saved, **now}
    ]
    differing = [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]
    if differing:
        _logger.warning(
            "going on in another environment (%s): the last bits may differ", ", ".join(differing)
        )


def warn_of_other_code(then: ModelOrigin, now: ModelOrigin, source: object) -> None:
    """Logs that a model comes from another package, or another version of it, than it did.

    Args:
        then: whose code it was when something was recorded.
        now: whose code it is.
        source: where that was recorded.
    """
    if {then.package, now.package, then.sha256, now.sha256} == {None}:
        return  # this package's version is part of the environment, and scripts have none
    if then != now:
        _logger.warning(
            "%s: recorded with a model of %s, now it is of %s: it may compute something else",
            source,
            then,
            now,
        )


def read_trainer_state(
    data: bytes,
    path: str | os.PathLike[str],
    model: nn.Module | ModelMaker | None,
    recipe: Recipe | None,
) -> TrainerState:
    """Reads what `capture_trainer` returned.

    Args:
        data: the content of the file.
        path: the file, for messages.
        model: receives the weights, or makes what does; if None, the registered model that was
            saved is made anew.
        recipe: stands in for the saved one; needed if that held functions of the user's own.

    Raises:
        CheckpointError: the content is damaged, holds another model, or needs a model or a recipe
            to be given.
        UnknownModelError: the saved model is not registered here.
        ModelLoadError, ModelNameClashError: likewise.
        AugmentationLoadError: an installed package offers an augmentation that cannot be loaded.
    """
    checkpoint = decode_checkpoint(data, path)
    if model is not None and not isinstance(model, nn.Module):
        # The weights are about to be overwritten, so making them must not use up randomness.
        with torch.random.fork_rng(devices=[]):
            model = make_model(model)
    try:
        return _rebuilt(checkpoint, path, model, recipe)
    except (CheckpointError, UnknownModelError, ModelLoadError, ModelNameClashError):
        raise
    except (
        *(KeyError, TypeError, ValueError, AttributeError, RecursionError),
        *(RuntimeError, OverflowError),
    ) as error:
        raise CheckpointDamagedError(
            f"{path}: no checkpoint that fmnistlab has written: {type(error).__name__}: {error}"
        ) from error


def _rebuilt(
    checkpoint: Checkpoint,
    path: str | os.PathLike[str],
    model: nn.Module | None,
    recipe: Recipe | None,
) -> TrainerState:
    state = checkpoint.state
    kinds = {"seed": int, "step": int, "execution": str, "history": str, "metrics": list}
    for name, kind in kinds.items():
        if type(state[name]) is not kind:
            raise TypeError(f"{name} is no {kind.__name__}")
    for metric in state["metrics"]:
        if not isinstance(metric if isinstance(metric, str) else metric["name"], str):
            raise TypeError("a metric has no name")
    described = state["recipe"]
    if recipe is None:
        code = {name: code_in(value) for name, value in described.items()}
        code["augmentation"] = code["augmentation"] + unoffered(described["augmentation"])
        if any(code.values()):
            told = ", ".join(f"{name} {', '.join(found)}" for name, found in code.items() if found)
            raise CheckpointError(
                f"{path}: trained with a recipe that has code of your own ({told}), which a file "
                f"can name but not hold; give it with {setting('recipe', ...)}."
            )
        with spoken({}):  # of the keys in the file
            recipe = Recipe.from_dict(described)
    if model is None:
        reference = state["model"]["reference"]
        if reference is None:
            raise CheckpointError(
                f"{path}: holds a {state['model']['class']} that create_model cannot make "
                f"again; give one to receive the weights with {setting('model', ...)}."
            )
        if names_code(reference["name"]):
            raise CheckpointError(
                f"{path}: holds a model of {reference['name']}, which no installed package offers. "
                "Code is never run because a file names it; if you trust it, name it yourself "
                f"with {setting('model', ...)}."
            )
        # The weights are about to be overwritten, so making them must not use up randomness.
        with torch.random.fork_rng(devices=[]):
            model = create_model(reference["name"], **reference["options"])
    weights = _strip(checkpoint.tensors, _MODEL)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: holds the weights of another model than this {type(model).__name__}: {error}"
        ) from error
    Arrangement([], state["model"]["frozen"], []).freeze(model)
    warn_of_other_code(ModelOrigin(**state["origin"]), model_origin(model), path)
    optimizer = None
    if state["optimizer"] is not None:
        of_optimizer = _strip(checkpoint.tensors, _OPTIMIZER)
        optimizer = OptimizerState.from_json(of_optimizer, state["optimizer"])
    history = History.from_json(state["history"])
    fit = None
    if state["fit"] is not None:
        fit = FitState.unpack(_strip(checkpoint.tensors, _FIT), state["fit"])
        thaw(model, recipe.parameter_rules, fit.began.frozen)  # as at the end of each fit
    return TrainerState(
        model,
        recipe,
        described,
        checked_seed(state["seed"]),
        checked_execution(state["execution"]),
        state["step"],
        history,
        optimizer,
        fit,
        environment=state["environment"],
        weights=weights,
        metrics=state["metrics"],
    )


def _strip(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _describe_model(model: nn.Module) -> dict[str, Any]:
    """Returns the model's class and, if a file can hold it, what `create_model` was asked for."""
    reference = model_reference(model)
    described = None if reference is None else dataclasses.asdict(reference)
    try:
        json.dumps(described)
    except (TypeError, ValueError):  # an option that only lives in memory, such as a function
        described = None
    return {"class": type(model).__qualname__, "reference": described}
