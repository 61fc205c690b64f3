"""Which trainings are wanted: what determines each, and the folder that it has."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from torch import nn

from fmnistlab.errors import ConfigurationError, RunFolderError
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.description import describe_experiment, planned_step
from fmnistlab.experiments.parts import Parts
from fmnistlab.experiments.records.identity import TrainingIdentity
from fmnistlab.experiments.records.predictions import read_predictions
from fmnistlab.experiments.run_folder import safe_name
from fmnistlab.experiments.run_folder_state import CHECKPOINTS, LOCK, FolderState, folder_state
from fmnistlab.experiments.sweep.task import Task
from fmnistlab.experiments.sweep.variant import Variant
from fmnistlab.foundation.terminal import printable
from fmnistlab.models.registry import create_model, model_name, registered_factory
from fmnistlab.models.seeded import seeded_model
from fmnistlab.training.device import choose_device

LONGEST_NAME: Final = 100
"""Characters of a variant's name as it is told."""


class Planned(NamedTuple):
    """A variant that is to be trained.

    Attributes:
        name: of the variant.
        config: its settings; seed and folder are those of no run yet.
        training: what all its runs have in common.
        steps: training steps of a run.
    """

    name: str
    config: ExperimentConfig
    training: TrainingIdentity
    steps: int

    def folder(self, parent: Path, seed: int) -> Path:
        """Returns the run folder for a seed; see `planned_folder`."""
        return planned_folder(parent, self.training, seed)


def planned_folder(parent: Path, training: TrainingIdentity, seed: int) -> Path:
    """Returns the run folder of a training: MODEL-sSEED-KEY, which no other training shares.

    Args:
        parent: the folder that the run folders are in.
        training: what its runs have in common.
        seed: of the run.
    """
    return parent / f"{safe_name(training.model.name)}-s{seed}-{training.key(seed)}"


def plan_variants(
    variants: Sequence[Variant], config: ExperimentConfig, load: Callable[[ExperimentConfig], Parts]
) -> list[Planned]:
    """Describes variants; each model is made, so that none fails only after hours.

    Args:
        variants: what is varied.
        config: all that they have in common; its paths are absolute.
        load: returns the data; called once all models could be made.

    Raises:
        ConfigurationError: a variant is there twice, or cannot be trained as the settings say.
        UnknownModelError, ModelNameClashError, ModelLoadError: a model cannot be made.
    """
    configs = [
        dataclasses.replace(
            config,
            model=variant.model,
            model_options=variant.model_options,
            recipe=variant.recipe,
        )
        for variant in variants
    ]
    for own in configs:
        _model(own)
    parts = load(config)
    planned: list[Planned] = []
    for variant, own in zip(variants, configs, strict=True):
        model, device = _model(own), choose_device(own.device)
        step = planned_step(own, model, device, parts.fit, None)
        training = TrainingIdentity.of(describe_experiment(own, device, model, parts, step))
        name = model_name(variant.model) if variant.name is None else variant.name
        label = printable(name, limit=LONGEST_NAME)
        for other in planned:
            if other.name == label or other.training == training:
                raise ConfigurationError(
                    f"The variant {label} is there twice"
                    f"{'' if other.name == label else f', also as {other.name}'}: name each way to "
                    "train once. More runs of it come from more seeds."
                )
        steps = own.recipe.epochs * math.ceil(len(parts.fit) / own.recipe.batch_size)
        planned.append(Planned(label, own, training, steps))
    return planned


def missing_tasks(planned: Sequence[Planned], parent: Path, seeds: Sequence[int]) -> list[Task]:
    """Returns the trainings that are not finished, all variants of a seed before the next seed.

    Args:
        planned: the variants.
        parent: the folder that the run folders are in.
        seeds: of the trainings.
    """
    tasks = []
    for seed in seeds:
        for variant in planned:
            folder = variant.folder(parent, seed)
            if not _is_done(folder):
                config = dataclasses.replace(
                    variant.config, seed=seed, out=folder, resume=True, pictures=False
                )
                training = variant.training
                fingerprints = training.fit, training.valid, training.test
                factory = registered_factory(config.model)
                tasks.append(Task(config, fingerprints, variant.steps, factory))
    return tasks


def _model(config: ExperimentConfig) -> nn.Module:
    maker = functools.partial(create_model, config.model, **config.model_options)
    return seeded_model(maker, config.seed)


def _is_done(folder: Path) -> bool:
    try:
        # Another process is at it, or was ended before it had removed what it no longer needed,
        # which the task will do.
        left = (folder / LOCK).exists() or (folder / CHECKPOINTS).exists()
        if left or folder_state(folder) is not FolderState.FINISHED:
            return False
        read_predictions(folder)
    except RunFolderError:  # the task will tell why
        return False
    return True
