"""A progress bar."""

from __future__ import annotations

import sys
from io import TextIOBase
from typing import Never

from tqdm.auto import tqdm

from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.run import BatchResult, Run
from fmnistlab.training.records.epoch_record import EpochRecord

IN_NOTEBOOK = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)
"""Whether tqdm draws widgets; a notebook's standard error is no terminal, yet shows them."""


class ProgressBar(Callback):
    """Shows steps, speed and the last epoch's numbers; one bar for the whole fit.

    Args:
        stream: where to draw, standard error if None. Nothing is drawn where the stream is
            neither a terminal nor a notebook.
    """

    uses_model = False

    def __init__(self, stream: TextIOBase | None = None) -> None:
        self._stream = stream
        self._bar: tqdm[Never] | None = None

    def on_fit_start(self, run: Run) -> None:
        """Draws the empty bar."""
        per_epoch = run.steps_per_epoch
        epochs = run.last_epoch - run.epoch
        self._bar = tqdm(
            total=None if per_epoch is None else epochs * per_epoch,
            initial=run.batch,
            unit="batch",
            file=self._stream if self._stream is not None else sys.stderr,
            disable=False if IN_NOTEBOOK else None,
            dynamic_ncols=True,
            leave=False,
        )

    def on_epoch_start(self, run: Run) -> None:
        """Names the epoch."""
        if self._bar is not None:
            self._bar.set_description(f"epoch {run.epoch}/{run.last_epoch}", refresh=False)

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        """Moves the bar on by one step."""
        if self._bar is not None:
            self._bar.update()

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Shows what the epoch measured, on the validation set if there is one."""
        if self._bar is not None:
            names = run.metric_names[2:] or run.metric_names
            self._bar.set_postfix({name: f"{record.value(name):.4f}" for name in names})

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
