"""The table that grows by one line with each epoch."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tqdm import tqdm

from fmnistlab.cli import output
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.records.history import TRAINING_METRICS, VALIDATION_METRICS
from fmnistlab.training.records.metrics import loss_text

_BUILT_IN = len(TRAINING_METRICS + VALIDATION_METRICS)


class EpochTable(Callback):
    """Prints a line for each epoch to standard output, at once."""

    def __init__(self) -> None:
        self._extra: Sequence[str] = ()

    def on_fit_start(self, run: Run) -> None:
        """Prints the header."""
        self._extra = run.metric_names[_BUILT_IN:]
        extra = "".join(f"  {name}" for name in self._extra)
        _print_above_bar(f"epoch     loss  accuracy  val_loss  val_accuracy{extra}  seconds")

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Prints the epoch's line."""
        _print_above_bar(epoch_line(record, self._extra))


def epoch_line(record: EpochRecord, extra: Sequence[str] = ()) -> str:
    """Returns an epoch as a line of the table.

    Args:
        record: the epoch.
        extra: names of the columns between validation and seconds, such as "val_macro_f1".
    """
    val_loss = "-" if record.val_loss is None else loss_text(record.val_loss)
    val_accuracy = "-" if record.val_accuracy is None else f"{record.val_accuracy:.4f}"
    measured = "".join(f"  {loss_text(record.value(name)):>{len(name)}}" for name in extra)
    return (
        f"{record.epoch:>5}  {loss_text(record.loss):>7}  {record.accuracy:>8.4f}  {val_loss:>8}  "
        f"{val_accuracy:>12}{measured}  {record.seconds:>7.1f}"
    )


def _print_above_bar(line: str) -> None:
    """Prints without tearing a progress bar that may be drawn on the same terminal."""
    with tqdm.external_write_mode(file=sys.stdout):
        output.result(line)
