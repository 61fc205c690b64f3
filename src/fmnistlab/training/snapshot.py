"""What a trainer writes into a checkpoint, and how it is put back."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn

from fmnistlab.errors import (
    CheckpointDamagedError,
    CheckpointError,
    ConfigurationError,
    ModelLoadError,
    ModelNameClashError,
    UnknownModelError,
)
from fmnistlab.logger import get_logger
from fmnistlab.models.registry import create_model, model_reference
from fmnistlab.seeding import checked_seed
from fmnistlab.training.checkpoint import (
    Capture,
    Checkpoint,
    copied,
    decode_checkpoint,
    pack_optimizer,
    unpack_optimizer,
)
from fmnistlab.training.execution import Execution, checked_execution
from fmnistlab.training.fit_state import FitState
from fmnistlab.training.history import History
from fmnistlab.training.recipe import Recipe
from fmnistlab.version import __version__

_MODEL = "model/"
_OPTIMIZER = "optimizer/"
_FIT = "fit/"

_logger = get_logger(__name__)


class Snapshot(NamedTuple):
    """Everything a trainer needs to go on.

    Attributes:
        model: with the saved weights, on the CPU.
        recipe: how it was trained.
        seed: the trainer's seed.
        execution: how its steps were executed; see `execution.Execution`.
        step: training steps made.
        history: finished epochs.
        optimizer: state_dict of the optimizer, or None if there was none.
        fit: where the fit stands that goes on, or None between two fits.
        device: where it was trained, or None; not read back.
        surroundings: in which it was saved; see `surroundings`.
    """

    model: nn.Module
    recipe: Recipe
    seed: int
    execution: Execution
    step: int
    history: History
    optimizer: dict[str, Any] | None
    fit: FitState | None = None
    device: torch.device | None = None
    surroundings: Mapping[str, str] = MappingProxyType({})


def capture_snapshot(snapshot: Snapshot) -> Capture:
    """Returns copies of all that a checkpoint file shall hold."""
    tensors = {_MODEL + name: tensor for name, tensor in snapshot.model.state_dict().items()}
    packed: dict[str, Any] | None = None
    if snapshot.optimizer is not None:
        of_optimizer, packed = pack_optimizer(snapshot.optimizer)
        tensors |= {_OPTIMIZER + name: tensor for name, tensor in of_optimizer.items()}
    state = {
        "model": _describe_model(snapshot.model),
        "recipe": describe_recipe(snapshot.recipe),
        "seed": snapshot.seed,
        "execution": snapshot.execution,
        "step": snapshot.step,
        "history": snapshot.history.to_json(),
        "optimizer": packed,
        "fit": None,
        "surroundings": surroundings(snapshot.device),
    }
    if snapshot.fit is not None:
        of_fit, state["fit"] = snapshot.fit.pack()
        tensors |= {_FIT + name: tensor for name, tensor in of_fit.items()}
    return Capture(copied(tensors), state)


def surroundings(device: torch.device | None) -> dict[str, str]:
    """Returns what the bits of a training depend on besides data, recipe and seed.

    Args:
        device: where it runs; None if that is not decided yet.
    """
    return {
        "fmnistlab": __version__,
        "torch": str(torch.__version__),
        "device": "unknown" if device is None else device.type,
        "threads": str(torch.get_num_threads()),
    }


def warn_of_other_surroundings(saved: Mapping[str, str], device: torch.device) -> None:
    """Logs in which of `surroundings` this process differs from the one that wrote a checkpoint."""
    now = surroundings(device)
    differing = [f"{name} {old} -> {now[name]}" for name, old in saved.items() if old != now[name]]
    if differing:
        _logger.warning(
            "going on in other surroundings (%s): the last bits may differ", ", ".join(differing)
        )


def decode_snapshot(
    data: bytes,
    path: str | os.PathLike[str],
    model: nn.Module | None,
    recipe: Recipe | None,
) -> Snapshot:
    """Reads what `encode_snapshot` returned.

    Args:
        data: the content of the file.
        path: the file, for messages.
        model: receives the weights; if None, the registered model that was saved is made anew.
        recipe: stands in for the saved one; needed if that held functions of the user's own.

    Raises:
        CheckpointError: the content is damaged, holds another model, or needs a model or a recipe
            to be given.
        UnknownModelError: the saved model is not registered here.
    """
    checkpoint = decode_checkpoint(data, path)
    try:
        return _rebuilt(checkpoint, path, model, recipe)
    except (CheckpointError, UnknownModelError, ModelLoadError, ModelNameClashError):
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointDamagedError(
            f"{path}: no checkpoint that fmnistlab has written: {type(error).__name__}: {error}"
        ) from error


def _rebuilt(
    checkpoint: Checkpoint,
    path: str | os.PathLike[str],
    model: nn.Module | None,
    recipe: Recipe | None,
) -> Snapshot:
    state = checkpoint.state
    for name, kind in {"seed": int, "step": int, "execution": str, "history": str}.items():
        if type(state[name]) is not kind:
            raise TypeError(f"{name} is no {kind.__name__}")
    if recipe is None:
        if state["recipe"] is None:
            raise CheckpointError(
                f"{path}: trained with a recipe that has functions of your own, which a file "
                "cannot hold; give it: Trainer.load(path, recipe=...)."
            )
        recipe = Recipe.from_dict(state["recipe"])
    if model is None:
        reference = state["model"]["reference"]
        if reference is None:
            raise CheckpointError(
                f"{path}: holds a {state['model']['class']} that create_model cannot make "
                "again; give one to receive the weights: Trainer.load(path, model=...)."
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
    optimizer = None
    if state["optimizer"] is not None:
        optimizer = unpack_optimizer(_strip(checkpoint.tensors, _OPTIMIZER), state["optimizer"])
    history = History.from_json(state["history"])
    fit = None
    if state["fit"] is not None:
        fit = FitState.unpack(_strip(checkpoint.tensors, _FIT), state["fit"])
    return Snapshot(
        model,
        recipe,
        checked_seed(state["seed"]),
        checked_execution(state["execution"]),
        state["step"],
        history,
        optimizer,
        fit,
        surroundings=state["surroundings"],
    )


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Loads a state_dict into an optimizer, each tensor in the layout of its parameter.

    Torch's fused kernels walk through parameter and state in memory order, so a channels-last
    weight with a contiguous average would be updated wrongly, without an error.

    Raises:
        CheckpointError: it is the state of another optimizer.
    """
    try:
        optimizer.load_state_dict(state)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"The checkpoint holds the state of another optimizer: {error}"
        ) from error
    for parameter, entries in optimizer.state.items():
        for name, entry in entries.items():
            if isinstance(entry, torch.Tensor) and entry.shape == parameter.shape:
                entries[name] = torch.empty_like(parameter, requires_grad=False).copy_(entry)


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


def describe_recipe(recipe: Recipe) -> dict[str, Any] | None:
    """Returns all settings as values of JSON, or None if one is a function of the user's own."""
    try:
        return recipe.to_dict()
    except ConfigurationError:
        return None
