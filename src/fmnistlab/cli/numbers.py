"""Numbers on the command line: a word that is none is refused in one line, by its option's name."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from typing import Final

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import refused, shown

_PART: Final = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")


def whole_argument(word: str) -> int | str:
    """Returns the number, or the word, which `require_numbers` then refuses."""
    try:
        return int(word)
    except ValueError:
        return word


def real_argument(word: str) -> float | str:
    """Returns the number, or the word, which `require_numbers` then refuses."""
    try:
        return float(word)
    except ValueError:
        return word


def require_numbers(options: argparse.Namespace, kinds: Mapping[str, str]) -> None:
    """Refuses words where numbers belong; the ranges are checked by who uses the numbers.

    Args:
        options: what was parsed.
        kinds: what each option must be, such as "a whole number", by its name.

    Raises:
        ConfigurationError: an option is a word.
    """
    for name, kind in kinds.items():
        value = getattr(options, name)
        if isinstance(value, str):
            raise refused(name, value, kind)


def parse_ranges(text: str, *, source: str, item: str, most: int) -> list[range]:
    """Returns what a list such as "3,5,10-12" names.

    Args:
        text: the list.
        source: what it belongs to, for messages.
        item: what a number stands for, such as "row".
        most: numbers that one list may name.

    Raises:
        ConfigurationError: it is no such list, or names too many.
    """
    found = []
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ConfigurationError(
                f"{source}: {shown(part)} is no {item}; name {item}s as 7, or 3,5,10-12. The first "
                f"{item} is 0."
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ConfigurationError(
                f"{source}: {part} runs backwards; the {item}s from {last} to {first} are "
                f"{last}-{first}."
            )
        found.append(range(first, last + 1))
    if (total := sum(map(len, found))) > most:
        raise ConfigurationError(f"{source}: names {total:,} {item}s; take {most:,} at most.")
    return found
