"""Standard streams that are closed, full, or know few letters, made safe for a process."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, Literal, TextIO, cast


def prepare_streams() -> None:
    """Makes the standard streams of this process safe to use; called once, before anything else.

    - A closed one is replaced by the null device. Otherwise the next file that is opened, a
      checkpoint perhaps, would get its number, and whoever writes to that number would write there.
    - A character that the stream's encoding lacks is written as an escape.
    - Standard error whose reader is gone takes what is written to it, and ends nothing:
      progress and messages are no results.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if not _is_open(descriptor):
            _open_null(descriptor)
        if getattr(sys, name) is None:  # what Python makes of a closed one
            setattr(sys, name, _text_stream(descriptor))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stderr = cast("TextIO", ForgivingStream(sys.stderr))


class ForgivingStream:
    """A text stream that discards everything from the first write on that fails.

    Args:
        stream: the real one; all that is not about writing is left to it.
    """

    def __init__(self, stream: TextIO | io.TextIOBase) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes a text, or takes it as written."""
        try:
            return self._stream.write(text)
        except OSError:
            discard_from_now(self._stream)
            return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Writes several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flushes the stream, if it can be."""
        try:
            self._stream.flush()
        except OSError:
            discard_from_now(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def discard_from_now(stream: TextIO | io.TextIOBase) -> None:
    """Sends all that is written to a stream from now on to the null device.

    Python flushes its streams once more at exit, and would complain of the same failure again.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # not a file, such as the stream of a test
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
    with contextlib.suppress(OSError):  # what was left of the failed write
        stream.flush()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _open_null(descriptor: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)
    os.set_inheritable(descriptor, True)  # noqa: FBT003 - children are to have it too


def _text_stream(descriptor: int) -> io.TextIOWrapper:
    mode: Literal["r", "w"] = "r" if descriptor == 0 else "w"
    return open(descriptor, mode, encoding="utf-8", closefd=False)
