"""Where a fit goes on that was left unfinished, and how it is put back there, hooks and all.

A fit that goes on calls `on_fit_start` again, and `on_epoch_start` too if it goes on in the middle
of an epoch, so that callbacks can open files, register hooks and make what they need. Each of them
finds parameters frozen and grouped as it found them the first time, and afterwards everything that
the checkpoint holds is put back, so that nothing which a hook does is done twice.
"""

from __future__ import annotations

import copy

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from fmnistlab.training.callbacks.run import RunState
from fmnistlab.training.checkpoints.fit_state import FitState
from fmnistlab.training.checkpoints.trainer_state import TrainerState
from fmnistlab.training.loop.dispatch import Dispatch
from fmnistlab.training.steps.eager import TrainingStep


class ResumePoint:
    """What a checkpoint holds of a trainer and of its unfinished fit.

    Args:
        trainer: state of the trainer.
        fit: where the fit stands.

    Attributes:
        trainer: likewise.
        fit: likewise.
    """

    def __init__(self, trainer: TrainerState, fit: FitState) -> None:
        self.trainer = trainer
        self.fit = fit

    def freeze_as_begun(self) -> None:
        """Freezes the parameters that were frozen when the fit began."""
        self.fit.began.freeze(self.trainer.model)

    def regroup_as_begun(self, optimizer: torch.optim.Optimizer) -> None:
        """Groups parameters as they were when the fit began, before its `on_fit_start`."""
        self.fit.began.regroup(self.trainer.model, optimizer)

    def arrange_epoch(self, optimizer: torch.optim.Optimizer) -> None:
        """Arranges parameters as they were when the epoch began, before its `on_epoch_start`."""
        began, model = self.fit.epoch_began, self.trainer.model
        if began is not None:
            began.freeze(model)
            began.regroup(model, optimizer)

    def restore_callbacks(self, dispatch: Dispatch) -> None:
        """Gives each callback the state that it had."""
        dispatch.load_state_dicts(copy.deepcopy(self.fit.callbacks))

    def restore(
        self,
        state: RunState,
        step: TrainingStep,
        plateau: ReduceLROnPlateau | None,
        dispatch: Dispatch,
    ) -> None:
        """Puts back weights, optimizer, schedule, callbacks, frozen parameters and modes.

        Args:
            state: of the fit.
            step: with its schedule and its average of weights.
            plateau: moves the learning rate after an epoch, or None.
            dispatch: calls the callbacks.

        Raises:
            CheckpointError: the hooks have made another model or optimizer of it.
        """
        model, optimizer = state.model, self.trainer.optimizer
        model.load_state_dict(self.trainer.weights)
        schedule = step.schedule or plateau
        if schedule is not None and self.fit.schedule is not None:
            schedule.load_state_dict(copy.deepcopy(self.fit.schedule))
        if step.average is not None and self.fit.average is not None:
            step.average.load(self.fit.average)
        if optimizer is not None and state.optimizer is not None:
            optimizer.restore(model, state.optimizer)
            optimizer.arrangement.freeze(model)
            if self.fit.batch > 0:
                optimizer.arrangement.set_modes(model)
        self.restore_callbacks(dispatch)
        step.refresh()
