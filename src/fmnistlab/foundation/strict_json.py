"""JSON that anyone may have written: strict, and within limits of depth and of numbers."""

from __future__ import annotations

import collections
import json
import math
from collections.abc import Iterable
from typing import Any, Final, NoReturn

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import shown

MAX_DEPTH: Final = 32
"""Most objects and lists inside each other."""

MAX_DIGITS: Final = 400
"""Most digits of a whole number; the largest float has 309."""


def parse_json(text: str | bytes, source: str) -> Any:
    """Returns the value of a JSON text, more strictly than `json.loads`.

    Args:
        text: all of it; bytes are UTF-8.
        source: where it comes from, for messages.

    Raises:
        ConfigurationError: it is not UTF-8 or not JSON, has a byte order mark, nan, an infinity, a
            number that is too large, a key twice, or more than `MAX_DEPTH` levels.
    """
    try:
        content = text if isinstance(text, str) else text.decode()
        value = json.loads(
            content,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_whole,
            parse_float=_float,
        )
    except RecursionError as error:
        raise _too_deep(source) from error
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text; byte {error.start:,} cannot be read."
        raise ConfigurationError(f"{source}: {reason}") from error
    except ValueError as error:
        raise ConfigurationError(f"{source}: is not valid JSON: {error}") from error
    if not _is_shallow(value, MAX_DEPTH):
        raise _too_deep(source)
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        times = collections.Counter(key for key, _ in pairs)
        twice = next(key for key in times if times[key] > 1)
        raise ValueError(f"the key {shown(twice)} stands there twice.")
    return content


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON.")


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits; at most {MAX_DIGITS} are read.")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {shown(digits)} is too large for a float.")
    return number


def _is_shallow(value: object, levels: int) -> bool:
    inner: Iterable[object] = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    else:
        return True
    return levels > 0 and all(_is_shallow(item, levels - 1) for item in inner)


def _too_deep(source: str) -> ConfigurationError:
    return ConfigurationError(f"{source}: has more than {MAX_DEPTH} levels of lists and objects.")
