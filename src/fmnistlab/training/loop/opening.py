"""How a fit is opened: its data checked, its optimizer and its step built, in this order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import nn

from fmnistlab import seeding
from fmnistlab.data.augmentation.check import check_augmentations
from fmnistlab.data.batch import BatchSource
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.global_random import isolated_randomness
from fmnistlab.training.callbacks.run import Run, RunState
from fmnistlab.training.checkpoints.file import Checkpoint
from fmnistlab.training.checkpoints.fit_state import FitState
from fmnistlab.training.checkpoints.optimizer_state import OptimizerState
from fmnistlab.training.checkpoints.resume import check_data
from fmnistlab.training.checkpoints.trainer_state import (
    TrainerState,
    model_state,
    warn_of_other_environment,
)
from fmnistlab.training.device import warn_of_slow_precision
from fmnistlab.training.execution import Execution
from fmnistlab.training.extra_metrics.chosen import ExtraMetrics
from fmnistlab.training.loop.dispatch import Dispatch
from fmnistlab.training.loop.fit_loop import FitLoop, data_names
from fmnistlab.training.loop.interruption import Interruption
from fmnistlab.training.loop.preparation import Preparation
from fmnistlab.training.loop.resume_point import ResumePoint
from fmnistlab.training.recipes.class_weights import with_class_weights
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.recipes.setting_checks import BALANCED
from fmnistlab.training.records.history import History
from fmnistlab.training.steps.choice import make_step
from fmnistlab.training.steps.eager import TrainingStep


def opened_state(
    model: nn.Module,
    recipe: Recipe,
    seed: int,
    history: History,
    *,
    epochs: int,
    validates: bool,
    extra: ExtraMetrics,
    step: int,
    position: FitState | None,
) -> RunState:
    """Returns the notes of a fit that begins, or goes on at a position.

    Args:
        model: the trainer's.
        recipe: likewise.
        seed: likewise.
        history: likewise, with all finished epochs.
        epochs: of a fit that begins.
        validates: whether there is a validation set.
        extra: what is measured on it besides loss and accuracy.
        step: training steps made so far.
        position: where the fit goes on, or None if it begins.
    """
    finished = len(history)
    state = RunState(
        model=model,
        recipe=recipe,
        seed=seed,
        history=history,
        first_epoch=finished + 1,
        last_epoch=finished + epochs,
        validates=validates,
        extra=extra,
        epoch=finished,
        step=step,
    )
    if position is not None:
        state.first_epoch, state.last_epoch = position.first_epoch, position.last_epoch
        state.batch, state.stop_reason = position.batch, position.stop_reason
    return state


@contextlib.contextmanager
def opened_loop(
    state: RunState,
    dispatch: Dispatch,
    preparation: Preparation,
    *,
    execution: Execution,
    training: BatchSource,
    validation: BatchSource | None,
    interruption: Interruption,
    saved: TrainerState | None,
    resume: ResumePoint | None,
    capture: Callable[[], Checkpoint],
) -> Iterator[FitLoop]:
    """Builds the loop of a fit, and takes its step apart again when the block ends.

    Args:
        state: of the fit; knows the device, and the optimizer of an earlier fit if there is one.
        dispatch: calls the callbacks.
        preparation: tries model, loss and data.
        execution: how training steps are executed.
        training: on the device.
        validation: likewise, or None.
        interruption: tells when a signal has arrived.
        saved: state that a new optimizer starts from, or None.
        resume: where the fit goes on, or None if it begins.
        capture: copies everything a checkpoint holds.

    Raises:
        CheckpointError: the fit began with other data, or with another optimizer.
        ConfigurationError: a setting is impossible, or data, loss or a metric cannot be used.
        ItemError: an image or a label cannot be right.
        ModelOutputError: the model does not return class scores.
    """
    model, recipe, device = state.model, state.recipe, Run(state).device
    if recipe.augmentation:
        check_augmentations(recipe.augmentation, training.example().images, state.seed)
    if recipe.schedule == "plateau" and recipe.plateau_metric.startswith("val_"):
        _require_validation(recipe.plateau_metric, validation)
    state.steps_per_epoch = training.steps_per_epoch
    if resume is not None:
        warn_of_other_environment(resume.trainer.environment, device, recipe)
        check_data(resume.fit, data_names(training, validation))
    with isolated_randomness(seeding.derive_seed(state.seed, "build"), device):
        if recipe.class_weights == BALANCED:
            scores = preparation.for_images(model, training, device)
            state.recipe = recipe = with_class_weights(recipe, training, scores)
        # The optimizer comes after device and layout are final, because it holds on to tensors.
        preparation.for_training(
            *(model, (training, validation), recipe.training_loss, device),
            parts=recipe.accumulation_steps,
        )
        state.extra.check(preparation.for_images(model, training, device))
        model_state(model)  # which refuses what no checkpoint could keep
        state.optimizer = _built_optimizer(state, saved, resume)
        warn_of_slow_precision(recipe.precision, device)
        step = _built_step(state, state.optimizer, execution, dispatch.watched_by)
        with contextlib.closing(step):
            loop = FitLoop(
                *(state, dispatch, step),
                training=training,
                validation=validation,
                interruption=interruption,
                resume=resume,
                capture=capture,
            )
            with contextlib.closing(loop):
                yield loop


def _require_validation(metric: str, validation: BatchSource | None) -> None:
    if validation is None:
        raise ConfigurationError(
            f"The schedule 'plateau' watches {metric}, and there is no validation set. Give fit "
            f'one, or the recipe plateau_metric="{metric.removeprefix("val_")}".'
        )


def _built_optimizer(
    state: RunState, saved: TrainerState | None, resume: ResumePoint | None
) -> torch.optim.Optimizer:
    """Returns the optimizer of a fit, arranged as it was when the fit began.

    Raises:
        CheckpointError: the checkpoint holds the state of another optimizer.
        ConfigurationError: the model has nothing to train, or no checkpoint could keep the state.
    """
    model, optimizer = state.model, state.optimizer
    if resume is not None:
        resume.freeze_as_begun()
    if optimizer is None:
        optimizer = state.recipe.make_optimizer(model)
        if saved is not None and saved.optimizer is not None:
            saved.optimizer.restore(model, optimizer)
    OptimizerState.of_optimizer(model, optimizer)
    if resume is not None:
        resume.regroup_as_begun(optimizer)
    return optimizer


def _built_step(
    state: RunState, optimizer: torch.optim.Optimizer, execution: Execution, watched_by: str | None
) -> TrainingStep:
    recipe, steps = state.recipe, state.steps_per_epoch
    epochs = state.last_epoch - state.first_epoch + 1
    schedule = recipe.make_schedule(optimizer, None if steps is None else steps * epochs, epochs)
    parts = state.model, optimizer, recipe.training_loss, schedule
    return make_step(
        execution, *parts, options=recipe.step_options(), steps=steps, watched_by=watched_by
    )
