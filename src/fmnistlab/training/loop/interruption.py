"""The first Ctrl-C, SIGTERM or SIGHUP stops a fit after the current step, a second one at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

from fmnistlab.errors import Terminated

_DEFAULTS: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler}
for _name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
    if hasattr(signal, _name):
        _DEFAULTS[getattr(signal, _name)] = signal.SIG_DFL


@contextlib.contextmanager
def raise_on_termination() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP raise `Terminated` inside the block, so that all is left in order.

    Handlers of others stay, and so does everything outside the main thread.
    """
    changed: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        for number, default in _DEFAULTS.items():
            if default is signal.SIG_DFL and signal.getsignal(number) is default:
                signal.signal(number, _raise_terminated)
                changed.append(number)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _raise_terminated(number: int, _frame: FrameType | None) -> None:
    raise Terminated(number)


class Interruption:
    """Notices signals inside a `with` block.

    A handler of others is left alone, and so is everything outside the main
    thread, where Python allows no handlers. After the first signal the handlers from before are
    back, so a second one does what it always did.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:  # noqa: PYI034 - the checks of types in tests know no Self
        if threading.current_thread() is threading.main_thread():
            for number, default in _DEFAULTS.items():
                handler = signal.getsignal(number)
                if handler is default or handler is _raise_terminated:
                    self._before[number] = handler
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._put_back()
        if kind is None and self.requested:  # it came after the last step
            raise self.error()

    @property
    def requested(self) -> bool:
        """Whether a signal has arrived."""
        return self._signal is not None

    def error(self) -> BaseException:
        """Returns what a fit raises after a signal: KeyboardInterrupt or Terminated."""
        if self._signal is None or self._signal == signal.SIGINT:
            return KeyboardInterrupt("the fit was interrupted")
        return Terminated(self._signal)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self._put_back()

    def _put_back(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)
