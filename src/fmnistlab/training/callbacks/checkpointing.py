"""Checkpoints while a fit runs, so that nothing is lost when it is interrupted."""

from __future__ import annotations

import functools
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from fmnistlab.errors import CheckpointWriteError, ConfigurationError
from fmnistlab.foundation.checks import number, whole_number
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.run import BatchResult, Run
from fmnistlab.training.checkpoints.file import Checkpoint, write_checkpoint
from fmnistlab.training.checkpoints.folder import (
    checkpoint_name,
    checkpoint_owner,
    list_checkpoints,
)
from fmnistlab.training.records.epoch_record import EpochRecord


class Checkpointing(Callback):
    """Writes checkpoints into a folder; `Trainer.fit(resume_from=folder)` goes on from the newest.

    Each one is a file of its own, `step-00001500.safetensors`, there whole or not at all. It is
    copied between two steps and written in a thread, while the training goes on. When the fit ends
    by Ctrl-C or SIGTERM, a last one is written.

    Args:
        folder: where; made if it is missing.
        every_steps: training steps between two checkpoints, from 1.
        every_epochs: epochs between two checkpoints, from 1; 1 if nothing else is given.
        every_seconds: least time between two checkpoints, above 0; looked at after each step.
        keep: how many of the newest are kept, from 1. With 2, there is an older one to fall back
            on should a disk damage the newest.

    Attributes:
        newest: the newest file that was written in this process, or None.

    Raises:
        ConfigurationError: a number is out of range.
    """

    uses_model = False

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_steps: int | None = None,
        every_epochs: int | None = None,
        every_seconds: float | None = None,
        keep: int = 2,
    ) -> None:
        if every_steps is None and every_epochs is None and every_seconds is None:
            every_epochs = 1
        self._steps = None if every_steps is None else whole_number("every_steps", every_steps)
        self._epochs = None if every_epochs is None else whole_number("every_epochs", every_epochs)
        self._seconds = (
            None if every_seconds is None else number("every_seconds", every_seconds, above=0)
        )
        self._keep: int = whole_number("keep", keep)
        self.newest: Path | None = None
        self._folder = Path(folder)
        self._last_time = 0.0
        self._written: list[Path] = []
        # One writer thread, and at most one checkpoint in it: `_writing` is waited for before the
        # next is submitted, so files are written in order and an error is told at the next one.
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def on_fit_start(self, run: Run) -> None:
        """Makes the folder.

        Raises:
            CheckpointWriteError: it cannot be made.
            ConfigurationError: it holds checkpoints of another training.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            explained = CheckpointWriteError(
                f"{self._folder}: cannot be made: {error.strerror}. Name another folder."
            )
            explained.errno = error.errno
            raise explained from error
        self._written = self._own_checkpoints(run)
        self._last_time = time.monotonic()
        self._writer = ThreadPoolExecutor(1, "fmnistlab-checkpoints")

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        """Writes one if it is time.

        Raises:
            CheckpointWriteError: the one before could not be written.
        """
        by_step = self._steps is not None and run.step % self._steps == 0
        passed = time.monotonic() - self._last_time
        if by_step or (self._seconds is not None and passed >= self._seconds):
            self._ask(run)

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Writes one if it is time.

        Raises:
            CheckpointWriteError: the one before could not be written.
        """
        if self._epochs is not None and record.epoch % self._epochs == 0:
            self._ask(run)

    def on_fit_end(self, run: Run) -> None:
        """Waits until the last one is written.

        Raises:
            CheckpointWriteError: it could not be written.
        """
        self._wait()

    def on_error(self, run: Run, error: BaseException) -> None:
        """Writes a last one if the fit can go on from here, as after Ctrl-C.

        Raises:
            CheckpointWriteError: it could not be written.
        """
        self._wait()
        if run.captured is not None:
            self._write(run.captured, run.step)

    def close(self) -> None:
        """Ends the thread, after what it writes."""
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = self._writing = None

    def _ask(self, run: Run) -> None:
        """Asks for a copy of the state, and lets the thread write it."""
        self._wait()
        self._last_time = time.monotonic()
        if self._writer is not None:
            step = run.step
            run.capture(functools.partial(self._submit, self._writer, step))

    def _submit(self, writer: ThreadPoolExecutor, step: int, captured: Checkpoint) -> None:
        self._writing = writer.submit(self._write, captured, step)

    def _wait(self) -> None:
        """Waits for the file that is being written; its error, if any, is raised here."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, captured: Checkpoint, step: int) -> None:
        path = self._folder / checkpoint_name(step)
        write_checkpoint(path, captured.to_bytes())
        self.newest = path
        self._written = sorted({*self._written, path}, reverse=True)
        while len(self._written) > self._keep:
            self._written.pop().unlink(missing_ok=True)

    def _own_checkpoints(self, run: Run) -> list[Path]:
        """Returns the checkpoints of this training that are in the folder, the newest first.

        Damaged ones are left out: whose they are cannot be told, so they are never deleted.

        Raises:
            ConfigurationError: one is of another training.
        """
        found = {path: checkpoint_owner(path) for path in list_checkpoints(self._folder)}
        begun = self._folder / checkpoint_name(run.step)
        own = {*self._written, *(p for p in found if found[p] == found.get(begun) is not None)}
        for path, owner in found.items():
            if owner is not None and path not in own:
                raise ConfigurationError(
                    f"{path}: is a checkpoint of another training, and the newest one in a folder "
                    "counts. Go on from it with fit(resume_from=...), or name another folder."
                )
        return sorted(own & found.keys(), reverse=True)
