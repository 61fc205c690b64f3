"""The callback that keeps the history."""

from __future__ import annotations

from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.records.epoch_record import EpochRecord


class HistoryRecorder(Callback):
    """Appends each epoch to `run.history`; the trainer installs it before all users' callbacks."""

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Appends the record, so that every later callback finds it there."""
        run.history.append(record)
