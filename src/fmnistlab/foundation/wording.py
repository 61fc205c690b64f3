"""How a setting is called where the user gives it: `epochs` in Python, `--epochs` in a terminal."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import EllipsisType

_options: ContextVar[Mapping[str, str] | None] = ContextVar("options", default=None)


def setting(name: str, value: object = None) -> str:
    """Returns a setting as the user writes it, for a message.

    In Python that is `seed`, with a value `seed=3`; on the command line, where it has an option of
    that meaning, `--seed` and `--seed 3`.

    Args:
        name: of the argument in Python.
        value: what to give; `...` stands for any value, None for the bare name. Where the setting
            is a switch on the command line, True says to set it.
    """
    option = (_options.get() or {}).get(name)
    if option is None:
        shown = "..." if isinstance(value, EllipsisType) else _as_python(value)
        return name if value is None else f"{name}={shown}"
    if value is None or value is True or isinstance(value, EllipsisType):
        return option
    return f"{option} {shlex.quote(str(value))}"


def _as_python(value: object) -> str:
    text = repr(value)
    return f'"{text[1:-1]}"' if isinstance(value, str) and '"' not in text else text


@contextlib.contextmanager
def spoken(options: Mapping[str, str]) -> Iterator[None]:
    """Makes `setting` speak of the options of a command, as long as the block runs.

    Args:
        options: by the name of the setting in Python, such as {"learning_rate": "--lr"}.
    """
    token = _options.set(options)
    try:
        yield
    finally:
        _options.reset(token)
