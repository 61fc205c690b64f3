"""Ending a fit when it no longer gets better."""

from __future__ import annotations

from typing import Any

from fmnistlab.foundation.checks import whole_number
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.best_weights import BestWeights
from fmnistlab.training.callbacks.monitor import Monitor
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.extra_metrics.mode import Mode
from fmnistlab.training.records.epoch_record import EpochRecord


class EarlyStopping(Callback):
    """Stops after some epochs without improvement and restores the best weights.

    Args:
        metric: which metric decides; see `Monitor`.
        patience: epochs without improvement that are waited for, from 1.
        min_delta: how much better a value must be to count, from 0.
        mode: "min" or "max", which values are best; see `Monitor`.
        restore_best: put the weights of the best epoch into the model, however the fit ends.

    Raises:
        ConfigurationError: a number is out of range, or there is no such mode.
    """

    def __init__(
        self,
        metric: str = "val_loss",
        *,
        patience: int = 3,
        min_delta: float = 0.0,
        mode: Mode | None = None,
        restore_best: bool = True,
    ) -> None:
        self._monitor = Monitor(metric, min_delta, mode)
        self._patience: int = whole_number("patience", patience)
        self._waited = 0
        self._keeper = BestWeights(metric, min_delta, mode=mode) if restore_best else None

    def on_fit_start(self, run: Run) -> None:
        """Starts to count and checks the metric's name."""
        self._monitor.start(run)
        self._waited = 0
        if self._keeper is not None:
            self._keeper.on_fit_start(run)

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Stops the fit if patience is over."""
        if self._keeper is not None:
            self._keeper.on_epoch_end(run, record)
        self._waited = 0 if self._monitor.improved(record) else self._waited + 1
        if self._waited >= self._patience:
            best = self._monitor.best
            since = "" if best is None else f" since epoch {best.epoch}"
            run.stop(f"{self._monitor.metric} has not improved{since}")

    def on_fit_end(self, run: Run) -> None:
        """Restores the best weights."""
        if self._keeper is not None:
            self._keeper.on_fit_end(run)

    def on_error(self, run: Run, error: BaseException) -> None:
        """Restores the best weights."""
        if self._keeper is not None:
            self._keeper.on_error(run, error)

    def state_dict(self) -> dict[str, Any]:
        """Returns how long was waited, and for what."""
        kept = {} if self._keeper is None else self._keeper.state_dict()
        return kept | self._monitor.state_dict() | {"waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        self._monitor.load_state_dict(state)
        self._waited = state["waited"]
        if self._keeper is not None:
            self._keeper.load_state_dict(state)
