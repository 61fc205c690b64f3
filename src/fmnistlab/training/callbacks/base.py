"""The base class of all callbacks: seven hooks and `close`."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.training.callbacks.run import BatchResult, Run, Setup
from fmnistlab.training.records.epoch_record import EpochRecord


class Callback:
    """Something that watches a fit; override the hooks you need.

    A callback may read everything in `run` and ask the fit to `run.stop(reason)`. It belongs to
    one fit at a time. Open files in `on_fit_start`, close them in `close`.

    Attributes:
        uses_model: whether `on_batch_end` may look at, or change, the model or the optimizer. False
            promises that it does not, so that steps can be recorded; the other hooks may always.
    """

    uses_model: ClassVar[bool] = True

    def on_setup(self, setup: Setup) -> None:
        """Called first; nothing is built yet."""

    def on_fit_start(self, run: Run) -> None:
        """Called when model and optimizer are ready, before the first epoch.

        A fit that goes on calls it again, with parameters frozen and grouped as when it began.
        Afterwards all that a checkpoint holds is put back.
        """

    def on_epoch_start(self, run: Run) -> None:
        """Called before the first batch of an epoch.

        A fit that goes on in the middle of an epoch calls it again, with parameters frozen and
        grouped as at its first call; `run.batch` is above 0 then. Afterwards all that a checkpoint
        holds is put back.
        """

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        """Called after each training step; the only hook that costs speed."""

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Called after validation; `record` is already the last entry of `run.history`."""

    def on_fit_end(self, run: Run) -> None:
        """Called once after the last epoch, only if all went well."""

    def on_error(self, run: Run, error: BaseException) -> None:
        """Called instead of `on_fit_end` when anything raised, Ctrl-C included."""

    def state_dict(self) -> dict[str, Any]:
        """Returns what the callback must know to go on in a later process.

        It is called between two steps and stored in each checkpoint.

        Returns:
            Tensors, arrays, numbers, text and None by name, also in nested dictionaries, lists,
            tuples and sets.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned; called after the hooks of a resumed fit.

        That is after `on_fit_start` and, in the middle of an epoch, after `on_epoch_start` too.
        """

    def close(self) -> None:
        """Called last, in any case; release files and bars here."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))
"""Names of the seven hooks, in the order in which a fit calls them."""


def check_callback(callback: object) -> None:
    """Checks that an object can serve as a callback.

    Raises:
        ConfigurationError: it is not a Callback, has an `on_...` method that no fit would call, or
            a hook that cannot take the arguments it will get.
    """
    kind = type(callback).__name__
    if not isinstance(callback, Callback):
        extra = " Give an object, not the class." if isinstance(callback, type) else ""
        raise ConfigurationError(
            f"{kind} is not a Callback; subclass fmnistlab.callbacks.Callback.{extra}"
        )
    for name in dir(callback):
        if not name.startswith("on_") or not callable(getattr(callback, name)):
            continue
        if name not in HOOKS:
            raise ConfigurationError(
                f"{kind}.{name} is not a hook and would never be called.{suggestion(name, HOOKS)} "
                f"The hooks are {', '.join(HOOKS)}."
            )
        wanted = inspect.signature(getattr(Callback, name)).parameters.values()
        arguments = [parameter.name for parameter in wanted if parameter.name != "self"]
        try:
            inspect.signature(getattr(callback, name)).bind(*arguments)
        except TypeError as error:
            raise ConfigurationError(
                f"{kind}.{name} must take ({', '.join(['self', *arguments])}): {error}."
            ) from error
