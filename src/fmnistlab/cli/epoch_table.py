"""The table that grows by one line with each epoch."""

from __future__ import annotations

import sys

from tqdm import tqdm

from fmnistlab.cli import output
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.records.metrics import loss_text

_HEADER = "epoch     loss  accuracy  val_loss  val_accuracy  seconds"


class EpochTable(Callback):
    """Prints a line for each epoch to standard output, at once."""

    def on_fit_start(self, run: Run) -> None:
        """Prints the header."""
        _print_above_bar(_HEADER)

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Prints the epoch's line."""
        _print_above_bar(epoch_line(record))


def epoch_line(record: EpochRecord) -> str:
    """Returns an epoch as a line of the table."""
    val_loss = "-" if record.val_loss is None else loss_text(record.val_loss)
    val_accuracy = "-" if record.val_accuracy is None else f"{record.val_accuracy:.4f}"
    return (
        f"{record.epoch:>5}  {loss_text(record.loss):>7}  {record.accuracy:>8.4f}  {val_loss:>8}  "
        f"{val_accuracy:>12}  {record.seconds:>7.1f}"
    )


def _print_above_bar(line: str) -> None:
    """Prints without tearing a progress bar that may be drawn on the same terminal."""
    with tqdm.external_write_mode(file=sys.stdout):
        output.result(line)
