"""Child processes by fork: torch is imported once, so hundreds of trials take seconds."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

LONGEST = 120.0
"""Seconds after which a child counts as hung."""

TOLD_NOTHING = 70
"""Exit code of a child whose function was over, and which could not send back what came of it."""


class Ending(NamedTuple):
    """How a child ended.

    Attributes:
        code: its exit code; minus the number of the signal that killed it.
        result: what its function returned, or None if it did not come so far.
        error: text of the exception that ended it, or "".
        seconds: how long it lived.
    """

    code: int
    result: Any
    error: str
    seconds: float


class Child:
    """A function that runs in a forked process.

    Args:
        function: takes no arguments; what it returns is sent back by a pipe.
        quiet: whether its standard output and error go nowhere.
        longest: seconds after which it counts as hung.
    """

    def __init__(
        self, function: Callable[[], Any], *, quiet: bool = True, longest: float = LONGEST
    ) -> None:
        torch.set_num_threads(1)  # before the fork: threads do not survive one
        self._reader, writer = os.pipe()
        self._started, self._longest = time.monotonic(), longest
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = TOLD_NOTHING  # a signal may come at any moment, and no child may go on from here
            try:
                os.close(self._reader)
                code = _run(function, writer, quiet=quiet)
            finally:
                os._exit(code)
        os.close(writer)

    def fileno(self) -> int:
        """Returns the pipe that can be read once the child has ended; for `select`."""
        return self._reader

    def time_left(self) -> float:
        """Returns the seconds until the child counts as hung, at least 0."""
        return max(0.0, self._started + self._longest - time.monotonic())

    def signal(self, number: int) -> None:
        """Sends a signal, if the child is still there to get it."""
        os.kill(self.pid, number)

    def wait(self) -> Ending:
        """Waits for the end and returns how it came; a hung child is killed and says so."""
        sent = bytearray()
        while True:
            if not select.select([self._reader], [], [], self.time_left())[0]:
                os.kill(self.pid, signal.SIGKILL)
                sent.clear()
                break
            block = os.read(self._reader, 2**20)
            sent += block
            if not block:
                break
        os.close(self._reader)
        _, status = os.waitpid(self.pid, 0)
        result, error = pickle.loads(sent) if sent else (None, "")
        seconds = time.monotonic() - self._started
        return Ending(os.waitstatus_to_exitcode(status), result, error, seconds)


def run_child(function: Callable[[], Any]) -> Ending:
    """Runs a function in a forked process to its end."""
    return Child(function).wait()


def _run(function: Callable[[], Any], writer: int, *, quiet: bool) -> int:
    """Runs in the child; returns its exit code."""
    # A fork inherits the tracing of test coverage; what it finds here would be thrown away.
    threading.settrace(None)
    sys.settrace(None)
    if quiet:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    result, error, code = None, "", 0
    try:
        result = function()
    except SystemExit as ended:
        error, code = repr(ended), ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt as ended:
        error, code = repr(ended), 130
    except BaseException as raised:  # noqa: BLE001 - told to the parent
        error, code = f"{type(raised).__name__}: {raised}", 1
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump((result, error), pipe)
    except BaseException:  # noqa: BLE001 - the parent sees the code
        return TOLD_NOTHING
    return code
