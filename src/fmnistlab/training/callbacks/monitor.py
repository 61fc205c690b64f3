"""Watching one metric for its best value; shared by the callbacks that act on it."""

from __future__ import annotations

import math
from typing import Any

from fmnistlab.errors import UnknownMetricError, suggestion
from fmnistlab.foundation.checks import number, refused
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.extra_metrics.mode import Mode, checked_mode, decided_mode
from fmnistlab.training.records.epoch_record import EpochRecord


class Monitor:
    """Knows the best value of a metric so far.

    Args:
        metric: "loss", "accuracy", "val_loss" or "val_accuracy", or "val_" and the name of an extra
            metric, as "val_macro_f1"; losses are best when small, accuracies when large.
        min_delta: how much better a value must be to count as better, from 0.
        mode: whether the metric is best when small, "min", or large, "max"; needed where neither
            its name nor `higher_is_better` of the metric itself tells.

    Raises:
        ConfigurationError: the metric is no name, `min_delta` is out of range, or there is no such
            mode.
    """

    def __init__(self, metric: str, min_delta: float = 0.0, mode: Mode | None = None) -> None:
        checked_mode(mode)
        if not isinstance(metric, str):
            raise refused("metric", metric, 'the name of a metric, such as "val_loss"')
        self.metric = metric
        self.min_delta: float = number("min_delta", min_delta, least=0)
        self.best: EpochRecord | None = None
        self._given_mode = mode
        self._mode: Mode = "min"

    def start(self, run: Run) -> None:
        """Forgets what was best; call it in `on_fit_start`.

        Raises:
            UnknownMetricError: the epochs of this fit will not have the metric.
            ConfigurationError: `mode` is needed, or is not the metric's.
        """
        if self.metric not in run.metric_names:
            hint = suggestion(self.metric, run.metric_names)
            if self.metric.startswith("val_") and "val_loss" not in run.metric_names:
                hint = " Give fit a validation set."
            raise UnknownMetricError(
                f"There is no metric {self.metric!r} in this fit.{hint} "
                f"It has {', '.join(run.metric_names)}."
            )
        self._mode = decided_mode(self.metric, self._given_mode, run.metric_mode(self.metric))
        self.best = None

    def improved(self, record: EpochRecord) -> bool:
        """Returns whether this epoch is the best so far, and remembers it if so.

        A value that is not a number is never an improvement.
        """
        value = self.value(record)
        if math.isnan(value):
            return False
        if self.best is not None:
            gain = value - self.value(self.best)
            if not (gain if self._mode == "max" else -gain) > self.min_delta:
                return False
        self.best = record
        return True

    def value(self, record: EpochRecord) -> float:
        """Returns the metric of an epoch."""
        return record.value(self.metric)

    def state_dict(self) -> dict[str, Any]:
        """Returns the best epoch so far, as values of JSON."""
        return {"best": None if self.best is None else self.best.to_json_object()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        best = state["best"]
        self.best = None if best is None else EpochRecord.from_json_object(best, "best")
