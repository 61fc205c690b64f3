"""The same training by the trainer."""

from __future__ import annotations

from typing import Any, NamedTuple
from unittest import mock

import torch
from tests.parts.row import DEFAULT, SEED, Row, Watcher, outcome

from fmnistlab.callbacks import Callback
from fmnistlab.errors import FmnistlabError
from fmnistlab.training.callbacks.run import BatchResult, Run
from fmnistlab.training.execution import Execution
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.steps import choice
from fmnistlab.training.trainer import Trainer


class Trained(NamedTuple):
    """What a trainer has made, and whether its steps were recorded."""

    values: dict[str, Any]
    recorded: bool


def train_by_trainer(row: Row, way: Execution, *, saved: bool = False) -> Trained:
    """Returns what the trainer makes of the part.

    Args:
        row: the part.
        way: how steps are made.
        saved: whether the trainer is saved after each epoch, and another one goes on.

    Raises:
        FmnistlabError: the trainer refuses the part, and has made no step.
    """
    torch.manual_seed(SEED)
    watcher = row.watcher()
    callbacks = [as_callback(watcher)]
    trainer = Trainer(
        row.make(), row.recipe, seed=SEED, device="cpu", execution=way, callbacks=callbacks
    )
    # These fits are too short to repay a recording, and shall be recorded all the same.
    short_fits_too = mock.patch.object(choice, "RECORDING_PAYS", 0)
    try:
        with short_fits_too:
            trainer.fit(row.data(), epochs=1 if saved else None)
            for _ in range(1, row.recipe.epochs) if saved else ():
                trainer = Trainer.load(
                    trainer.to_bytes(),
                    model=row.make(),
                    recipe=row.recipe,
                    device="cpu",
                    callbacks=callbacks,
                )
                trainer.fit(row.data(), epochs=1)
    except FmnistlabError as error:
        if trainer._step:
            raise AssertionError(f"refused after {trainer._step} steps: {error}") from error
        raise
    assert trainer.optimizer is not None
    recorded = trainer.executed == "recorded"
    if row.recordable and way == DEFAULT:
        assert recorded, trainer.eager_because
    return Trained(outcome(trainer.model, trainer.optimizer, watcher), recorded)


def as_callback(watcher: Watcher) -> Callback:
    """Returns a callback with those hooks that the watcher has."""

    class Watching(Callback):
        """Calls the watcher."""

    def on_fit_start(self: Callback, run: Run) -> None:
        watcher.on_fit_start(run.model, run.optimizer)

    def on_epoch_start(self: Callback, run: Run) -> None:
        watcher.on_epoch_start(run.model, run.optimizer, run.epoch)

    def on_batch_end(self: Callback, run: Run, result: BatchResult) -> None:
        watcher.on_batch_end(run.model, run.optimizer, result.logits, result.labels)

    def on_epoch_end(self: Callback, run: Run, record: EpochRecord) -> None:
        watcher.on_epoch_end(run.model, run.optimizer, record.epoch)

    def on_fit_end(self: Callback, run: Run) -> None:
        watcher.on_fit_end(run.model, run.optimizer)

    for hook in (on_fit_start, on_epoch_start, on_batch_end, on_epoch_end, on_fit_end):
        name = hook.__name__
        if getattr(type(watcher), name) is not getattr(Watcher, name):
            setattr(Watching, name, hook)
    return Watching()
