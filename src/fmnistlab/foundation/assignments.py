"""Settings in a command's words: NAME=VALUE, the values of JSON or else text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import shown
from fmnistlab.foundation.strict_json import parse_json

_PYTHON: Final = {"True": True, "False": False, "None": None}
_OPENING: Final = '[{"'
_SEPARATORS: Final = ',@="'


def parse_assignments(
    words: Iterable[str], source: str, *, item: str = "setting", example: str = "epochs=3"
) -> dict[str, Any]:
    """Returns what words such as "epochs=3" say.

    Args:
        words: each a name and a value; see `parse_value`.
        source: where they come from, for messages.
        item: what a name stands for.
        example: of a word.

    Raises:
        ConfigurationError: a word is none, a name is there twice, or a value begins like a list,
            an object or a quoted text of JSON and is none.
    """
    values: dict[str, Any] = {}
    for word in words:
        name, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not name:
            raise ConfigurationError(
                f"{source}: {shown(word)} is no {item}; write NAME=VALUE, such as {example}."
            )
        if name in values:
            raise ConfigurationError(f"{source}: {name} is given twice; give it once.")
        values[name] = parse_value(value, f"{source}: {name}")
    return values


def parse_value(text: str, source: str) -> Any:
    """Returns the value of JSON that a text is, such as a number, and else the text itself.

    True, False and None mean what they mean in Python: as texts they would be taken for true.

    Args:
        text: anything; `"3"` in quotation marks is the text.
        source: where it comes from, for messages.

    Raises:
        ConfigurationError: it begins like a list, an object or a quoted text, and is none.
    """
    if text in _PYTHON:
        return _PYTHON[text]
    try:
        return parse_json(text, source)
    except ConfigurationError:
        if text[:1] and text[0] in _OPENING:
            raise
        return text


def format_assignments(values: Mapping[str, Any]) -> str:
    """Returns settings in one word, "epochs=3,schedule=cosine", which can be read again.

    Args:
        values: values of JSON.
    """
    return ",".join(f"{name}={_word(value)}" for name, value in values.items())


def split_word(word: str, separator: str) -> list[str]:
    """Returns the parts of a word; separators inside brackets and quotation marks stay.

    Args:
        word: such as `hidden=[64,32],dropout=0.1`.
        separator: one character.
    """
    parts, depth, quoted, escaped = [""], 0, False, False
    for character in word:
        if character == separator and depth == 0 and not quoted:
            parts.append("")
            continue
        parts[-1] += character
        if quoted:
            quoted, escaped = character != '"' or escaped, character == "\\" and not escaped
        elif character == '"':
            quoted = True
        else:
            depth += (character in "[{") - (character in "]}" and depth > 0)
    return parts


def _word(value: object) -> str:
    plain = isinstance(value, str) and value == value.strip() != "" and value not in _PYTHON
    if plain and not any(character in _SEPARATORS + "[]{}" for character in str(value)):
        try:
            parse_json(str(value), "")
        except ConfigurationError:
            return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
