"""Ending a trial of a search that does worse than the others did."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.monitor import Monitor
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.records.epoch_record import EpochRecord


@runtime_checkable
class Prunable(Protocol):
    """What `TrialPruning` needs of a trial; one of Optuna has it."""

    def report(self, value: float, step: int) -> None:
        """Takes the value of an epoch."""
        ...

    def should_prune(self) -> bool:
        """Returns whether it is not worth to go on."""
        ...


class TrialPruning(Callback):
    """Tells a trial of a search how each epoch went, and stops the fit if the trial says so.

    Only the fit is stopped: whoever runs the study tells it then that the trial was pruned, as
    with `optuna.TrialPruned`. The last epoch is told and stops nothing.

    Args:
        trial: such as an `optuna.Trial`; it knows the direction of the study.
        metric: what is told; see `EarlyStopping`.
    """

    def __init__(self, trial: Prunable, metric: str = "val_accuracy") -> None:
        self._trial = trial
        self._monitor = Monitor(metric)
        self._told = 0

    def on_fit_start(self, run: Run) -> None:
        """Checks that there will be something to tell: a metric of validation needs a set for it.

        Raises:
            UnknownMetricError: the epochs of this fit will not have the metric.
        """
        self._monitor.start(run)
        self._told = 0

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Tells what is new, earlier epochs of a fit that goes on included."""
        for epoch in run.history[self._told :]:
            self._trial.report(self._monitor.value(epoch), epoch.epoch)
        self._told = len(run.history)
        if record.epoch < run.last_epoch and self._trial.should_prune():
            value = self._monitor.value(record)
            run.stop(f"pruned: {self._monitor.metric} is {value:.4f} after epoch {record.epoch}")
