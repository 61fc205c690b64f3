"""The command line as a process: what holds until its end, and how it ends."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, TextIO

from fmnistlab.cli import output
from fmnistlab.cli.main import complain, run
from fmnistlab.cli.streams import discard_from_now
from fmnistlab.foundation.terminal import describe

_SHARED_MEMORY: Final = "ignore:resource_tracker:UserWarning"
"""Silences Python's keeper of shared memory, which cleans up after processes that were ended."""


def run_process(arguments: Sequence[str]) -> int:
    """Runs one command; warnings and errors of threads are printed as all else is.

    Args:
        arguments: the words after the program's name.

    Returns:
        The exit code, also for results that could not be written.
    """
    warnings.showwarning = _show_warning
    sys.excepthook = _show_uncaught
    threading.excepthook = _show_thread_error
    sys.unraisablehook = _show_unraisable
    asked = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = f"{asked},{_SHARED_MEMORY}" if asked else _SHARED_MEMORY
    try:
        code = run(arguments, importing=_never_garbage)
    except SystemExit as ended:  # argparse, after wrong usage and help
        code = ended.code if isinstance(ended.code, int) else 0
    try:
        sys.stdout.flush()
    except OSError as problem:
        discard_from_now(sys.stdout)
        return complain(output.result_error(problem))
    return code


@contextlib.contextmanager
def _never_garbage() -> Iterator[None]:
    """Keeps what is imported in the block from the garbage collector, for good.

    torch alone brings a million objects that live until the end. The collector would look at them
    again and again, half a second in all, and once more when the process ends.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _show_warning(  # noqa: PLR0917 - the form of `warnings.showwarning`
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - `warnings` passes it
    line: str | None = None,  # noqa: ARG001 - `warnings` passes it
) -> None:
    said = describe(message) if isinstance(message, Warning) else f"{category.__name__}: {message}"
    output.note(f"{said} ({filename}:{lineno})")


def _show_uncaught(
    _kind: type[BaseException], error: BaseException, _trace: TracebackType | None
) -> None:
    output.traceback(error)


def _show_thread_error(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        output.traceback(arguments.exc_value)


def _show_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    if unraisable.exc_value is not None:
        output.traceback(unraisable.exc_value)
