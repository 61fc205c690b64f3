"""Loggers whose records hold only printable text, whoever handles them."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterator

from fmnistlab.foundation.terminal import LIMIT, describe, printable

TRACEBACK_LIMIT = 20 * LIMIT
"""Characters of a traceback that are shown at most."""


def get_logger(name: str) -> logging.Logger:
    """Returns the logger of a module; each record of it is made printable when it is made.

    Args:
        name: of the module, "fmnistlab. ...".
    """
    logger = logging.getLogger(name)
    logger.addFilter(_clean)  # the same filter is never added twice
    return logger


class _Keeper(logging.Handler):
    """Keeps messages, from warnings on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def kept_warnings() -> Iterator[list[str]]:
    """Keeps what fmnistlab logs inside the block, from warnings on, instead of handing it on.

    Yields:
        The messages, printable, as they come.
    """
    keeper, logger = _Keeper(), logging.getLogger("fmnistlab")
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(keeper)
    try:
        yield keeper.messages
    finally:
        logger.removeHandler(keeper)
        logger.propagate = propagated


class PrintableFormatter(logging.Formatter):
    """A formatter whose lines are printable, whoever made the record."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the text of a record."""
        return printable(super().format(record), limit=TRACEBACK_LIMIT, lines=True).expandtabs()


def format_error(error: BaseException) -> str:
    """Returns the traceback of an error, with causes and notes, printable; lines as Python's."""
    lines = "".join(traceback.format_exception(error)).rstrip("\n").split("\n")
    text = "\n".join(printable(line, lines=True) for line in lines)
    return printable(text, limit=TRACEBACK_LIMIT, lines=True)


def _clean(record: logging.LogRecord) -> bool:
    """Cleans a record for all its handlers; one that is clean stays as it was made."""
    message = None
    try:
        message = record.getMessage()
        cleaned = printable(message, lines=True)
    except Exception as error:  # noqa: BLE001 - a stranger's __str__; a log line ends no training
        cleaned = printable(f"{record.msg} ({describe(error)})", lines=True)
    if cleaned != message:
        record.msg, record.args = cleaned, ()
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = format_error(record.exc_info[1])  # formatters use it if it is there
    return True
