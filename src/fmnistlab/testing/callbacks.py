"""Whether a callback keeps the contract, and one that writes down what it hears."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from fmnistlab.data.schema import IMAGE_SIZE, NUM_CLASSES
from fmnistlab.testing.small_data import tiny_dataset
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.run import BatchResult, Run, Setup
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.trainer import Trainer

_SHORT = Recipe(epochs=2, batch_size=8)


def check_callback(make: Callable[[], Callback]) -> None:
    """Checks that a callback works through two fits and hides no error of others.

    Args:
        make: makes a fresh callback.

    Raises:
        AssertionError: the callback hides an error of others.
        FmnistlabError: it is no callback, or has a hook that is never called.
    """
    callback = make()
    for _ in range(2):
        trainer = Trainer(_linear(), _SHORT, device="cpu", callbacks=[callback])
        trainer.fit(tiny_dataset(), tiny_dataset(rows=10))
        if not 1 <= len(trainer.history) <= 2:
            raise AssertionError("the history does not hold the epochs.")
    for hook in ("on_fit_start", "on_epoch_end"):
        planted = RuntimeError("planted by check_callback")
        callbacks = [make(), _Failing(hook, planted)]
        trainer = Trainer(_linear(), _SHORT, device="cpu", callbacks=callbacks)
        try:
            trainer.fit(tiny_dataset(), tiny_dataset(rows=10))
        except RuntimeError as error:
            if error is not planted:
                raise AssertionError(f"another error took the place of one in {hook}.") from error
        else:
            raise AssertionError(f"an error in {hook} was swallowed.")


class RecordingCallback(Callback):
    """Writes down the name of every hook that is called, and "close".

    Attributes:
        calls: the names, in order.
    """

    uses_model = False

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_setup(self, setup: Setup) -> None:
        """Writes it down."""
        self.note("on_setup")

    def on_fit_start(self, run: Run) -> None:
        """Writes it down."""
        self.note("on_fit_start")

    def on_epoch_start(self, run: Run) -> None:
        """Writes it down."""
        self.note("on_epoch_start")

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        """Writes it down."""
        self.note("on_batch_end")

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Writes it down."""
        self.note("on_epoch_end")

    def on_fit_end(self, run: Run) -> None:
        """Writes it down."""
        self.note("on_fit_end")

    def on_error(self, run: Run, error: BaseException) -> None:
        """Writes it down."""
        self.note("on_error")

    def close(self) -> None:
        """Writes it down."""
        self.note("close")

    def note(self, hook: str) -> None:
        """Writes a name down; override it to act on every hook."""
        self.calls.append(hook)


class _Failing(RecordingCallback):
    def __init__(self, hook: str, error: Exception) -> None:
        super().__init__()
        self._hook, self._error = hook, error

    def note(self, hook: str) -> None:
        if hook == self._hook:
            raise self._error


def _linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(IMAGE_SIZE * IMAGE_SIZE, NUM_CLASSES))
