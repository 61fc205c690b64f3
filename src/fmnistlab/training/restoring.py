"""Putting a fit back to where a checkpoint found it, hooks and all.

A fit that goes on calls `on_fit_start` again, and `on_epoch_start` too if it goes on in the middle
of an epoch, so that callbacks can open files, register hooks and make what they need. Each of them
finds parameters frozen and grouped as it found them the first time, and afterwards everything that
the checkpoint holds is put back, so that nothing which a hook does is done twice.
"""

from __future__ import annotations

import copy

import torch

from fmnistlab.training.dispatch import Dispatch
from fmnistlab.training.fit_state import FitState
from fmnistlab.training.recipe import Recipe
from fmnistlab.training.run import RunState
from fmnistlab.training.snapshot import Snapshot
from fmnistlab.training.step import TrainingStep


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

    def before_fit(self, optimizer: torch.optim.Optimizer) -> None:
        """Arranges everything as it was when the fit began, before `on_fit_start`."""
        began, model = self._left.began, self._saved.model
        began.freeze(model)
        began.regroup(model, self._saved.recipe.loss, optimizer)

    def before_epoch(self, optimizer: torch.optim.Optimizer) -> None:
        """Arranges everything as it was when the epoch began, before its `on_epoch_start`."""
        began, model = self._left.epoch_began, self._saved.model
        if began is not None:
            began.freeze(model)
            began.regroup(model, self._saved.recipe.loss, optimizer)

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
            optimizer.restore(model, state.recipe.loss, state.optimizer)
            optimizer.arrangement.freeze(model)
            if self._left.batch > 0:
                optimizer.arrangement.set_modes(model)
        self.callbacks()
        step.refresh()


def restored_optimizer(
    recipe: Recipe, saved: Snapshot, left: FitState | None
) -> torch.optim.Optimizer:
    """Returns the optimizer of a checkpoint with its groups, settings and state.

    Args:
        recipe: makes it.
        saved: what the checkpoint holds; its model is on its device and has its final layout.
        left: where the fit stands that goes on, or None.

    Raises:
        CheckpointError: it is the state of another optimizer.
        ConfigurationError: the model has nothing to train.
    """
    if left is not None:
        left.began.freeze(saved.model)
    optimizer = recipe.make_optimizer(saved.model)
    if saved.optimizer is not None:
        saved.optimizer.restore(saved.model, recipe.loss, optimizer)
    return optimizer
