"""Ending a fit with the weights of its best epoch."""

from __future__ import annotations

from typing import Any

import torch

from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.monitor import Monitor
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.extra_metrics.mode import Mode
from fmnistlab.training.records.epoch_record import EpochRecord


class BestWeights(Callback):
    """Keeps the weights of the best epoch and puts them into the model when the fit ends.

    They are restored however the fit ends: after the last epoch, after an early stop, after an
    error or Ctrl-C. If no epoch was finished, the model stays as it is.

    Args:
        metric: which metric decides; see `Monitor`.
        min_delta: how much better a value must be to count, from 0.
        mode: "min" or "max", which values are best; see `Monitor`.

    Attributes:
        best_epoch: number of the epoch whose weights are kept, or None.

    Raises:
        ConfigurationError: `min_delta` is out of range, or there is no such mode.
    """

    def __init__(
        self, metric: str = "val_loss", min_delta: float = 0.0, *, mode: Mode | None = None
    ) -> None:
        self._monitor = Monitor(metric, min_delta, mode)
        self._weights: dict[str, torch.Tensor] = {}

    @property
    def best_epoch(self) -> int | None:
        """Number of the epoch whose weights are kept, or None."""
        return None if self._monitor.best is None else self._monitor.best.epoch

    def on_fit_start(self, run: Run) -> None:
        """Forgets earlier fits and checks the metric's name."""
        self._monitor.start(run)
        self._weights = {}

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Copies the weights if the epoch is the best so far."""
        if self._monitor.improved(record):
            state = run.model.state_dict()
            self._weights = {name: tensor.detach().clone() for name, tensor in state.items()}

    def on_fit_end(self, run: Run) -> None:
        """Restores the best weights."""
        self._restore(run)

    def on_error(self, run: Run, error: BaseException) -> None:
        """Restores the best weights."""
        self._restore(run)

    def state_dict(self) -> dict[str, Any]:
        """Returns the best weights and whose they are."""
        kept = {f"weights/{name}": tensor for name, tensor in self._weights.items()}
        return self._monitor.state_dict() | kept

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        self._monitor.load_state_dict(state)
        self._weights = {
            name.removeprefix("weights/"): tensor
            for name, tensor in state.items()
            if name.startswith("weights/")
        }

    def _restore(self, run: Run) -> None:
        if self._weights:
            run.model.load_state_dict(self._weights)
