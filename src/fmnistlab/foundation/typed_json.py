"""Values of JSON as dataclasses: the annotations of a frozen dataclass are the schema."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.foundation.checks import shown

_T = TypeVar("_T")
_Way: TypeAlias = Callable[[Any, Any, str], Any]
_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    types.NoneType: "null",
    tuple: "a list",
    list: "a list",
}


@dataclasses.dataclass(frozen=True)
class Rule:
    """What must hold of a value besides its kind; write `Annotated[int, Rule(...)]`.

    Attributes:
        wanted: what the value must be, such as "a whole number from 0".
        holds: whether a value of the right kind is so.
    """

    wanted: str
    holds: Callable[[Any], bool]


def read_as(
    kind: type[_T],
    value: object,
    source: str,
    *,
    spelled: Mapping[str, float] | None = None,
) -> _T:
    """Returns a value of JSON as an instance of a dataclass, with all that its annotations say.

    They may name str, int, float, bool, None, other dataclasses, `list[X]`, `tuple[X, ...]`,
    `tuple[X, Y]`, `dict[str, X]`, unions, `Literal`, `Any`, and `Annotated[X, Rule(...)]`. Every
    field must be there and nothing else. True is no number; a whole number is a fine float.

    Args:
        kind: the dataclass.
        value: a value of JSON; see `parse_json`.
        source: where it comes from, for messages.
        spelled: texts that stand for floats, such as "NaN".

    Raises:
        ConfigurationError: a key is missing, unknown, or its value of the wrong kind or out of
            range; the message names the key, such as "data.test.rows".
    """
    result: _T = _Reader(source, spelled or {}).read(kind, value, "")
    return result


def check_format(value: object, source: str, newest: int) -> None:
    """Refuses a record of a newer format, before all else that may be strange in it is named.

    Args:
        value: a value of JSON; see `parse_json`.
        source: where it comes from, for messages.
        newest: the largest "format" that can be read.

    Raises:
        ConfigurationError: its "format" is a larger number.
    """
    found = value.get("format") if isinstance(value, dict) else None
    if isinstance(found, int) and found > newest:
        raise ConfigurationError(
            f"{source}: was written by a newer version of fmnistlab (format {shown(found)}; this "
            f"one reads up to {newest}). Update fmnistlab to read it."
        )


class _Reader:
    """Reads one value after the other; `path` is the place of each, "" for the outermost."""

    def __init__(self, source: str, spelled: Mapping[str, float]) -> None:
        self._source = source
        self._spelled = spelled
        self._ways: dict[Any, _Way] = {
            Annotated: self._read_annotated,
            types.UnionType: self._read_union,
            typing.Union: self._read_union,
            Literal: self._read_literal,
            list: self._read_items,
            tuple: self._read_items,
            dict: self._read_mapping,
            float: self._read_float,
            Any: lambda _kind, value, _path: value,
        }

    def read(self, kind: Any, value: object, path: str) -> Any:
        """Returns the value as a `kind`.

        Raises:
            ConfigurationError: it is none.
        """
        way: _Way = self._read_fields if dataclasses.is_dataclass(kind) else self._read_plain
        way = self._ways.get(typing.get_origin(kind) or kind, way)
        return way(kind, value, path)

    def _read_plain(self, kind: type, value: object, path: str) -> Any:
        if type(value) is not kind:  # true is an instance of int
            raise self._other(kind, value, path)
        return value

    def _read_float(self, kind: type, value: object, path: str) -> float:
        if isinstance(value, str) and value in self._spelled:
            return self._spelled[value]
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._other(kind, value, path)
        try:
            return float(value)
        except OverflowError:
            raise self._error(path, "is too large for a float.") from None

    def _read_annotated(self, kind: Any, value: object, path: str) -> Any:
        plain, *rules = typing.get_args(kind)
        result = self.read(plain, value, path)
        for rule in rules:
            if not rule.holds(result):
                raise self._error(path, f"must be {rule.wanted}, not {shown(value)}.")
        return result

    def _read_union(self, kind: Any, value: object, path: str) -> Any:
        kinds = [part for part in typing.get_args(kind) if part is not types.NoneType]
        if value is None and len(kinds) < len(typing.get_args(kind)):
            return None
        if len(kinds) == 1:
            return self.read(kinds[0], value, path)
        for part in kinds:
            with contextlib.suppress(ConfigurationError):  # the next kind may fit
                return self.read(part, value, path)
        raise self._other(kind, value, path)

    def _read_literal(self, kind: Any, value: object, path: str) -> Any:
        if not any(type(value) is type(part) and value == part for part in typing.get_args(kind)):
            raise self._other(kind, value, path)
        return value

    def _read_items(self, kind: Any, value: object, path: str) -> Any:
        origin, parts = typing.get_origin(kind), typing.get_args(kind)
        if not isinstance(value, list):
            raise self._other(kind, value, path)
        any_number = origin is list or parts[1:] == (...,)
        kinds = parts[:1] * len(value) if any_number else parts
        if len(kinds) != len(value):
            raise self._error(path, f"must be a list of {len(kinds)}, not of {len(value)}.")
        pairs = enumerate(zip(kinds, value, strict=True))
        return origin(self.read(part, item, f"{path}[{at}]") for at, (part, item) in pairs)

    def _read_mapping(self, kind: Any, value: object, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._other(kind, value, path)
        part = typing.get_args(kind)[1]
        return {key: self.read(part, item, f"{path}.{key}") for key, item in value.items()}

    def _read_fields(self, kind: Any, value: object, path: str) -> Any:
        if not isinstance(value, dict):
            raise self._other(kind, value, path)
        hints = _hints(kind)
        for name in value:
            if name not in hints:
                near = suggestion(name, hints)
                raise self._error(path, f"has the unknown key {shown(name)}.{near}")
        for name in hints:
            if name not in value:
                raise self._error(path, f"lacks the key {name!r}.")
        inner = f"{path}." if path else ""
        fields = {name: self.read(hint, value[name], inner + name) for name, hint in hints.items()}
        try:
            return kind(**fields)
        except ConfigurationError as error:
            raise self._error(path, str(error)) from error

    def _other(self, kind: Any, value: object, path: str) -> ConfigurationError:
        return self._error(path, f"must be {_described(kind)}, not {shown(value)}.")

    def _error(self, path: str, reason: str) -> ConfigurationError:
        return ConfigurationError(": ".join(filter(None, (self._source, path, reason))))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _described(kind: Any) -> str:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _described(parts[0])
    if origin is Literal:
        return " or ".join(json.dumps(part) for part in parts)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(_described, parts))
    return _WORDS.get(origin or kind, "an object")
