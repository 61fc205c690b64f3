"""Everything that the commands print passes here: results out, all else to standard error.

All of it is printable text (`foundation.terminal`). Each piece is flushed, so that a result that
cannot be written is noticed where it is written, and a message stands before what comes after it.
"""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final, TextIO

from fmnistlab.cli.streams import discard_from_now
from fmnistlab.errors import FmnistlabError
from fmnistlab.foundation.json_text import json_text
from fmnistlab.foundation.logger import format_error
from fmnistlab.foundation.terminal import one_line, printable


class ResultError(FmnistlabError, OSError):
    """A result cannot be written to standard output.

    Attributes:
        errno: number of the operating system's error, such as `errno.ENOSPC`.
    """


class ResultUnreadError(ResultError):
    """Whoever read standard output has closed it, as `| head` does; no reason to complain."""


_results: Final[ContextVar[TextIO | None]] = ContextVar("results", default=None)


@contextlib.contextmanager
def results_alone() -> Iterator[None]:
    """Keeps standard output for results: what plug-ins print goes where messages do."""
    before = _results.set(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _results.reset(before)


def result(text: str = "") -> None:
    """Prints one line of a result.

    Raises:
        ResultError: it cannot be written.
    """
    _print_result(printable(text))


def result_block(text: str) -> None:
    """Prints a result of several lines, such as a table; each line is made printable by itself.

    Raises:
        ResultError: it cannot be written.
    """
    _print_result("\n".join(map(printable, text.split("\n"))))


def json_result(content: object) -> None:
    """Prints a result as strict JSON in ASCII; lone surrogates become visible escapes.

    JSON itself escapes all other characters that a terminal would obey. Of lone surrogates, by
    which Python spells undecodable file names, strict readers refuse the whole document.

    Raises:
        ResultError: it cannot be written.
    """
    _print_result(json_text(_without_surrogates(content)))


def message(text: str) -> None:
    """Prints one line to standard error."""
    print(printable(text), file=sys.stderr, flush=True)


def note(text: str) -> None:
    """Prints a line about something that the user should know and that stops nothing."""
    message(f"note: {text}")


def error(text: str) -> None:
    """Prints the line that says why a command failed."""
    message(one_line(f"fmnistlab: error: {text}"))


def traceback(problem: BaseException) -> None:
    """Prints the traceback of an error."""
    print(format_error(problem).expandtabs(), file=sys.stderr, flush=True)


def _print_result(text: str) -> None:
    stream = _results.get() or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError as problem:
        discard_from_now(stream)
        raise result_error(problem) from problem


def result_error(problem: OSError) -> ResultError:
    """Returns what the failure to write a result means.

    Args:
        problem: from a write to standard output, or its flush.
    """
    # Windows has no EPIPE for it: there a closed pipe is an invalid argument.
    closed = isinstance(problem, BrokenPipeError) or (
        sys.platform == "win32" and problem.errno == errno.EINVAL
    )
    kind = ResultUnreadError if closed else ResultError
    explained = kind(f"the result cannot be written to standard output: {problem.strerror}.")
    explained.errno = problem.errno
    return explained


def _without_surrogates(content: object) -> object:
    if isinstance(content, str):
        return content.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(content, dict):
        return {
            _without_surrogates(key): _without_surrogates(value) for key, value in content.items()
        }
    if isinstance(content, list | tuple):
        return [_without_surrogates(value) for value in content]
    return content
