"""One line of CSV for each epoch."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from fmnistlab.foundation.atomic_file import check_replaceable
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.records.epoch_record import EpochRecord


class CsvLog(Callback):
    """Writes each finished epoch to a CSV file, at once, so that it can be watched.

    Args:
        path: the file; a fit writes it anew, beginning with the epochs already in the history.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._stream: TextIO | None = None
        self._names: list[str] = []

    def on_fit_start(self, run: Run) -> None:
        """Opens the file and writes the header and all earlier epochs.

        Raises:
            OSError: the file cannot be written, or is a link, a folder, a device or a pipe.
        """
        check_replaceable(self._path)
        self._stream = self._path.open("w", encoding="utf-8", newline="")
        self._names = _column_names(run.history, run.metric_names)
        self._stream.write(_text(self._names, run.history))
        self._stream.flush()

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Writes the epoch."""
        if self._stream is not None:
            self._stream.write(_line(map(record.to_row().get, self._names)))
            self._stream.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def history_to_csv(history: Iterable[EpochRecord]) -> str:
    """Returns a header and a line for each epoch; what is None leaves its cell empty."""
    epochs = [*history]
    return _text(_column_names(epochs, ()), epochs)


def _column_names(history: Iterable[EpochRecord], metric_names: Iterable[str]) -> list[str]:
    """Returns the fields of a record, then the extra metrics."""
    fields = [field.name for field in dataclasses.fields(EpochRecord) if field.name != "val_extra"]
    found = (name for record in history for name in record.to_row())
    return [*dict.fromkeys([*fields, *found, *metric_names])]


def _text(names: Sequence[str], history: Iterable[EpochRecord]) -> str:
    lines = [map(record.to_row().get, names) for record in history]
    return "".join(map(_line, [names, *lines]))


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
