"""Where two values of JSON differ, by the names of their keys."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from fmnistlab.foundation.checks import shown
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.records.history import History

_MISSING: Final = "nothing"


class Difference(NamedTuple):
    """One place where two values differ.

    Attributes:
        place: its key, such as "test.loss".
        one: what the first holds there, as text.
        other: what the second holds there.
    """

    place: str
    one: str
    other: str


def differing(one: Any, other: Any, place: str = "") -> Iterator[Difference]:
    """Yields every place in which two values of JSON are not the same to the last bit.

    Args:
        one: a value of JSON; tuples count as lists.
        other: likewise.
        place: the key of both.
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        inner = f"{place}." if place else ""
        for name in {**one, **other}:
            here = f"{inner}{name}"
            if name in one and name in other:
                yield from differing(one[name], other[name], here)
            else:
                yield Difference(here, *(_text(side.get(name, ...)) for side in (one, other)))
    elif _lists(one, other) and len(one) == len(other):
        for at, pair in enumerate(zip(one, other, strict=True)):
            yield from differing(*pair, f"{place}[{at}]")
    elif not _same(one, other):
        yield Difference(place, _text(one), _text(other))


def differing_epochs(one: History, other: History, *, but: Sequence[str] = ()) -> list[Difference]:
    """Returns every number in which two histories differ, at places such as "epoch 3: loss".

    Args:
        one: a history.
        other: another one.
        but: fields that are not compared.
    """
    found = [
        Difference(f"epoch {record.epoch}: {place}", mine, theirs)
        for record, same_epoch in zip(one, other, strict=False)
        for place, mine, theirs in differing(_numbers(record, but), _numbers(same_epoch, but))
    ]
    if len(one) != len(other):
        found.append(Difference("number of epochs", str(len(one)), str(len(other))))
    return found


def values_in(content: object) -> int:
    """Returns how many numbers, texts, booleans and nulls a value of JSON holds."""
    if isinstance(content, Mapping):
        return sum(map(values_in, content.values()))
    return sum(map(values_in, content)) if isinstance(content, list | tuple) else 1


def _numbers(record: EpochRecord, but: Sequence[str]) -> dict[str, Any]:
    return {name: v for name, v in dataclasses.asdict(record).items() if name not in but}


def _lists(one: Any, other: Any) -> bool:
    return isinstance(one, list | tuple) and isinstance(other, list | tuple)


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return type(one) is type(other) and one == other


def _text(value: object) -> str:
    if value is ...:
        return _MISSING
    return shown(value) if isinstance(value, float | int) or value is None else _json(value)


def _json(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
