"""What determines a training, down to its bits, told before it begins."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from datetime import UTC, datetime

import torch
from torch import nn

from fmnistlab.data.batches import batch_source
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.parts import Parts
from fmnistlab.experiments.records.config import (
    BUNDLED,
    DataRecord,
    ModelRecord,
    PartRecord,
    RunConfig,
    SplitRecord,
)
from fmnistlab.experiments.records.environment import present_machine, present_versions
from fmnistlab.foundation.json_text import json_text
from fmnistlab.foundation.strict_json import parse_json
from fmnistlab.foundation.typed_json import read_as
from fmnistlab.models.registry import model_name, model_origin
from fmnistlab.training.recipes.class_weights import with_class_weights
from fmnistlab.training.steps.choice import make_step
from fmnistlab.training.steps.eager import TrainingStep


def planned_step(
    config: ExperimentConfig,
    model: nn.Module,
    device: torch.device,
    train: FashionMNISTCSV,
    watched_by: str | None,
) -> TrainingStep:
    """Returns a step that tells how those of a training would be executed; it is never made.

    Args:
        config: what to do.
        model: a new one for it; a copy is tried.
        device: where it is trained.
        train: to learn from.
        watched_by: name of a callback that may look at the model after each step, or None.

    Raises:
        ConfigurationError: steps cannot be executed as `config.execution` says.
    """
    recipe, trial = config.recipe, copy.deepcopy(model).to(device)
    source = batch_source(train, device=device, batch_size=recipe.batch_size)
    recipe = with_class_weights(recipe, source)
    return make_step(
        config.execution,
        trial,
        recipe.make_optimizer(trial),
        recipe.training_loss,
        None,
        options=recipe.step_options(),
        steps=source.steps_per_epoch,
        watched_by=watched_by,
    )


def describe_experiment(
    config: ExperimentConfig,
    device: torch.device,
    model: nn.Module,
    parts: Parts,
    step: TrainingStep,
) -> RunConfig:
    """Returns all that determines a training, down to its bits: the content of `config.json`.

    Args:
        config: what to do; its number of threads is known.
        device: where it is trained.
        model: a new one for it.
        parts: the data.
        step: what `planned_step` returned.

    Returns:
        The record as it is read back from a file.

    Raises:
        ConfigurationError: a setting cannot be written to a file, such as a function.
    """
    records = {
        name: PartRecord(len(part), part.fingerprint) for name, part in parts._asdict().items()
    }
    fingerprints = f"{records['fit'].fingerprint} {records['valid'].fingerprint}"
    source = config.data if config.train is None else config.train
    described = RunConfig(
        model=ModelRecord(model_name(config.model), config.model_options),
        origin=model_origin(model),
        data=DataRecord(
            BUNDLED if source is None else str(source.resolve()),
            None if config.test is None else str(config.test.resolve()),
            **records,
        ),
        split=SplitRecord(
            config.valid_fraction,
            config.split_seed,
            hashlib.sha256(fingerprints.encode()).hexdigest(),
        ),
        recipe=config.recipe.to_dict(),
        seed=config.seed,
        device=str(device),
        execution=config.execution,
        executed=step.executed,
        eager_because=step.eager_because,
        threads=int(config.threads),
        versions=present_versions(),
        machine=present_machine(device),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    try:
        text = json_text(dataclasses.asdict(described))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"The options of model {config.model!r} cannot be written to a file: {error}. Use "
            "values of JSON, or train with Trainer."
        ) from error
    return read_as(RunConfig, parse_json(text, "the settings"), "the settings")
