"""Calling callbacks: who listens to what, and what happens when one of them fails."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from fmnistlab.foundation.checks import refused
from fmnistlab.foundation.terminal import describe
from fmnistlab.training.callbacks.base import HOOKS, Callback, check_callback
from fmnistlab.training.callbacks.run import Run


class Dispatch:
    """Calls hooks in the order of the callbacks; those that none overrides cost nothing.

    Args:
        own: callbacks of the trainer, which come first.
        given: those that the trainer was given.

    Raises:
        ConfigurationError: one of them is no callback, see `check_callback`; or there is no list.
    """

    def __init__(self, own: Sequence[Callback], given: Sequence[Callback] = ()) -> None:
        if not isinstance(given, Iterable):
            raise refused("callbacks", given, "a list of callbacks")
        callbacks = (*own, *given)
        for callback in callbacks:
            check_callback(callback)
        self._callbacks = callbacks
        self._listeners: dict[str, list[Callable[..., None]]] = {
            hook: [
                getattr(callback, hook)
                for callback in callbacks
                if getattr(type(callback), hook) is not getattr(Callback, hook)
            ]
            for hook in HOOKS
        }

    def listens(self, hook: str) -> bool:
        """Returns whether any callback overrides this hook."""
        return bool(self._listeners[hook])

    @property
    def watched_by(self) -> str | None:
        """Name of the first callback that may look at the model after each step, or None."""
        for callback in self._callbacks:
            listens = type(callback).on_batch_end is not Callback.on_batch_end
            if listens and callback.uses_model:
                return type(callback).__name__
        return None

    def call(self, hook: str, *arguments: Any) -> None:
        """Calls a hook of every callback that overrides it; the first error ends the round."""
        for listener in self._listeners[hook]:
            listener(*arguments)

    def state_dicts(self) -> dict[str, dict[str, Any]]:
        """Returns the state of each callback that has one, by a key that tells whose it is."""
        states = {key: callback.state_dict() for key, callback in self._by_key()}
        return {key: state for key, state in states.items() if state}

    def load_state_dicts(self, states: Mapping[str, dict[str, Any]]) -> None:
        """Gives each callback its state; one that is new here begins anew."""
        for key, callback in self._by_key():
            if key in states:
                callback.load_state_dict(states[key])

    def _by_key(self) -> Iterator[tuple[str, Callback]]:
        """Yields a key for each callback: its class's name, with a number from the second on."""
        seen: Counter[str] = Counter()
        for callback in self._callbacks:
            name = type(callback).__name__
            seen[name] += 1
            yield (name if seen[name] == 1 else f"{name}-{seen[name]}"), callback

    @contextlib.contextmanager
    def fit(self, run: Run) -> Iterator[None]:
        """Ends a fit: `on_fit_end` after success, else `on_error`; then `close`, always.

        Every callback hears of the error and is closed, whatever the others do. The error that
        ended the fit is the one that is raised; errors on the way out become notes on it.
        """
        error: BaseException | None = None
        try:
            yield
            self.call("on_fit_end", run)
        except BaseException as raised:
            error = raised
            for listener in self._listeners["on_error"]:
                _run_noting(functools.partial(listener, run, raised), raised)
            raise
        finally:
            self._close(error)

    def _close(self, error: BaseException | None) -> None:
        first: BaseException | None = None
        for callback in self._callbacks:
            if error is not None or first is not None:
                _run_noting(callback.close, error or first)
                continue
            try:
                callback.close()
            except BaseException as raised:  # noqa: BLE001 - raised below, after all are closed
                first = raised
        if first is not None:
            raise first


def _run_noting(action: Callable[[], None], error: BaseException | None) -> None:
    """Runs something on the way out; if it fails, that becomes a note on the first error."""
    try:
        action()
    except BaseException as further:  # noqa: BLE001 - kept as a note on the error that counts
        if error is not None:
            error.add_note(f"Another error occurred while handling this one: {describe(further)}")
