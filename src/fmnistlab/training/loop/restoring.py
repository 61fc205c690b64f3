"""Putting a fit back to where a checkpoint found it, hooks and all.

A fit that goes on calls `on_fit_start` again, and `on_epoch_start` too if it goes on in the middle
of an epoch, so that callbacks can open files, register hooks and make what they need. Each of them
finds parameters frozen and grouped as it found them the first time, and afterwards everything that
the checkpoint holds is put back, so that nothing which a hook does is done twice.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from fmnistlab.training.callbacks.run import RunState
from fmnistlab.training.checkpoints.fit_state import FitState
from fmnistlab.training.checkpoints.optimizer_state import OptimizerState
from fmnistlab.training.checkpoints.trainer_state import Snapshot
from fmnistlab.training.loop.dispatch import Dispatch
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.steps.eager import TrainingStep


class Restoring:
    """Puts a fit back.

    Args:
        saved: what the checkpoint holds.
        left: where the fit stands.
        dispatch: knows the callbacks.
    """

    def __init__(self, saved: Snapshot, left: FitState, dispatch: Dispatch) -> None:
        self._saved = saved
        self._left = left
        self._dispatch = dispatch

    def before_epoch(self, optimizer: torch.optim.Optimizer) -> None:
        """Arranges everything as it was when the epoch began, before its `on_epoch_start`."""
        began, model = self._left.epoch_began, self._saved.model
        if began is not None:
            began.freeze(model)
            began.regroup(model, optimizer)

    def callbacks(self) -> None:
        """Gives each callback the state that it had."""
        self._dispatch.load_state_dicts(copy.deepcopy(self._left.callbacks))

    def everything(self, state: RunState, step: TrainingStep) -> None:
        """Puts back weights, optimizer, schedule, callbacks, frozen parameters and modes.

        Raises:
            CheckpointError: the hooks have made another model or optimizer of it.
        """
        model, optimizer = state.model, self._saved.optimizer
        model.load_state_dict(self._saved.weights)
        if step.schedule is not None and self._left.schedule is not None:
            step.schedule.load_state_dict(copy.deepcopy(self._left.schedule))
        if optimizer is not None and state.optimizer is not None:
            optimizer.restore(model, state.optimizer)
            optimizer.arrangement.freeze(model)
            if self._left.batch > 0:
                optimizer.arrangement.set_modes(model)
        self.callbacks()
        step.refresh()


def built_optimizer(
    recipe: Recipe,
    model: nn.Module,
    present: torch.optim.Optimizer | None,
    saved: Snapshot | None,
    left: FitState | None,
) -> torch.optim.Optimizer:
    """Returns the optimizer of a fit, arranged as it was when that began.

    Args:
        recipe: makes it, if there is none.
        model: on its device, in its final layout.
        present: the trainer's, of an earlier fit.
        saved: what a checkpoint holds that the trainer was made from, or goes on from.
        left: where the fit stands that goes on, or None.

    Raises:
        CheckpointError: the checkpoint holds the state of another optimizer.
        ConfigurationError: the model has nothing to train, or no checkpoint could keep the state.
    """
    if left is not None:
        left.began.freeze(model)
    optimizer = recipe.make_optimizer(model) if present is None else present
    if present is None and saved is not None and saved.optimizer is not None:
        saved.optimizer.restore(model, optimizer)
    OptimizerState.of_optimizer(model, optimizer)
    if left is not None:
        left.began.regroup(model, optimizer)
    return optimizer
