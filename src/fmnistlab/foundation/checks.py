"""Settings that are numbers: in their range or refused, by name and in words."""

from __future__ import annotations

import math
import numbers
from typing import TypeVar

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.wording import setting

_Kind = TypeVar("_Kind")

_LONGEST = 60
_HUGE_BITS = 128


def whole_number(name: str, value: object, *, least: int = 1, most: int | None = None) -> int:
    """Returns a setting as Python's own integer, if it is a whole number in its range.

    Integers of numpy are fine. True and False are refused, and so is 2.0: who gives them meant
    another setting, or computed a number that need not have come out whole.

    Args:
        name: of the setting, for the message.
        value: anything.
        least: smallest value allowed.
        most: largest value allowed; None if there is no limit.

    Raises:
        ConfigurationError: it is something else.
    """
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        whole = int(value)
        if least <= whole and (most is None or whole <= most):
            return whole
    limit = "" if most is None else f" to {most:,}"
    raise refused(name, value, f"a whole number from {least:,}{limit}")


def number(
    name: str,
    value: object,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """Returns a setting as Python's own float, if it is a finite number in its range.

    Args:
        name: of the setting, for the message.
        value: anything.
        least: smallest value allowed.
        above: all values allowed are above it.
        most: largest value allowed.
        below: all values allowed are below it.

    Raises:
        ConfigurationError: it is something else, not finite, or too large for a float.
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        try:
            real = float(value)
        except OverflowError:
            real = math.inf
        if (
            math.isfinite(real)
            and (least is None or real >= least)
            and (above is None or real > above)
            and (most is None or real <= most)
            and (below is None or real < below)
        ):
            return real
    words = {"from": least, "above": above, "up to": most, "below": below}
    limits = [f"{word} {limit:g}" for word, limit in words.items() if limit is not None]
    raise refused(name, value, " ".join(["a finite number", " and ".join(limits)]).rstrip())


def instance_of(name: str, value: object, kind: type[_Kind], wanted: str) -> _Kind:
    """Returns a setting, if it is an object of a class.

    Args:
        name: of the setting, for the message.
        value: anything.
        kind: the class.
        wanted: what it may be, for the message.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(value, kind):
        raise refused(name, value, wanted)
    return value


def refused(name: str, value: object, wanted: str) -> ConfigurationError:
    """Returns the error that says of a setting what it is and what it may be.

    Args:
        name: of the setting in Python; see `setting`.
        value: anything.
        wanted: what it may be, such as "a whole number from 1".
    """
    return ConfigurationError(f"{setting(name)} is {shown(value)}; use {wanted}.")


def shown(value: object) -> str:
    """Returns a value as Python spells it, shortened, for a message."""
    if isinstance(value, int) and value.bit_length() > _HUGE_BITS:
        # Python refuses to write out integers of more than 4,300 digits.
        digits = int(value.bit_length() * math.log10(2))
        return f"about {'-' if value < 0 else ''}10**{digits}"
    if isinstance(value, numbers.Real) and type(value).__module__ != "builtins":
        text = str(value)  # numpy's would be np.float64(0.5)
    else:
        text = repr(value)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return " ".join(text.split())
