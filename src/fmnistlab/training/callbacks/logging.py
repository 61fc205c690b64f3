"""Lines in the log."""

from __future__ import annotations

from fmnistlab.foundation.checks import whole_number
from fmnistlab.foundation.logger import get_logger
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.run import BatchResult, Run
from fmnistlab.training.records.epoch_record import EpochRecord

_logger = get_logger("fmnistlab.training")


class LogLines(Callback):
    """Logs the running loss and accuracy every few batches, and a line for each epoch.

    Lines go to the logger "fmnistlab.training" at level INFO.

    Args:
        every: batches between two lines, from 1; the tutorial's is 100.

    Raises:
        ConfigurationError: the number is out of range.
    """

    uses_model = False

    def __init__(self, every: int = 100) -> None:
        self._every: int = whole_number("LogLines: every", every)

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        """Logs a line if it is time for one; only then is anything read from the device."""
        if result.batch % self._every == 0:
            running = run.running_metrics()
            _logger.info(
                "epoch %d/%d, batch %d/%s: loss %.4f, accuracy %.4f",
                result.epoch,
                run.last_epoch,
                result.batch,
                run.steps_per_epoch or "?",
                running.loss,
                running.accuracy,
            )

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Logs the epoch."""
        validation = "".join(f", {name} {record.value(name):.4f}" for name in run.metric_names[2:])
        _logger.info(
            "epoch %d/%d: loss %.4f, accuracy %.4f%s, %.1f s",
            record.epoch,
            run.last_epoch,
            record.loss,
            record.accuracy,
            validation,
            record.seconds,
        )
