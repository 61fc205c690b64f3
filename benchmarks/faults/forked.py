"""Trials in forked processes: the libraries are imported once, and a crash ends one trial only."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

LONGEST = 120.0
"""Seconds after which a process counts as hung."""


class Ending(NamedTuple):
    """How a process ended.

    Attributes:
        result: what its function returned, as JSON keeps it.
        error: "Type: message" of what it raised, or None.
        killed_by: number of the signal that ended it, or None.
        hung: whether it had to be killed after `LONGEST`.
    """

    result: Any = None
    error: str | None = None
    killed_by: int | None = None
    hung: bool = False

    @property
    def complaint(self) -> str | None:
        """Why there is no result, or None if there is one."""
        if self.hung:
            return f"no end within {LONGEST:.0f} seconds"
        if self.error is not None:
            return self.error
        if self.killed_by is not None:
            return f"ended by {signal.Signals(self.killed_by).name}"
        return None


class Forked:
    """A function that runs in a forked process, with a process group of its own.

    The result comes through a file and not through a pipe: workers of a DataLoader live on for
    some seconds after their parent was killed, and would keep a pipe open.

    Args:
        work: what to do; its result must be JSON-able.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        handle, name = tempfile.mkstemp(prefix="answer-")
        os.close(handle)
        self._answer = Path(name)
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            _run(work, self._answer)

    def kill(self) -> None:
        """Kills it, as the kernel does when memory runs out."""
        os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> Ending:
        """Waits for its end and returns how that came."""
        started = time.monotonic()
        hung = False
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                break
            if not hung and time.monotonic() - started > LONGEST:
                hung = True
                self.kill()
            time.sleep(0.0005)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left in it
            os.killpg(self._pid, signal.SIGKILL)
        text = self._answer.read_text(encoding="utf-8")
        self._answer.unlink()
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return Ending(killed_by=-code, hung=hung)
        return Ending(**json.loads(text)) if text else Ending(error=f"exit code {code}")


def run_forked(work: Callable[[], object]) -> Ending:
    """Runs a function in a forked process to its end."""
    return Forked(work).wait()


def describe(error: BaseException) -> str:
    """Returns "Type: message" in one line of at most 300 characters."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # some messages have colors
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)}"[:300]


def _run(work: Callable[[], object], answer: Path) -> None:
    """Does the work and ends this process, without what the parent would do at its exit."""
    code = 1
    try:
        os.setpgid(0, 0)
        content: dict[str, object]
        try:
            content = {"result": work()}
        except BaseException as error:  # noqa: BLE001 - told to the parent
            content = {"error": describe(error)}
        answer.write_text(json.dumps(content), encoding="utf-8")
        code = 0
    finally:
        os._exit(code)
