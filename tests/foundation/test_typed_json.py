from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from tests.strategies import changed_json, json_values

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.typed_json import Rule, check_format, read_as


@dataclasses.dataclass(frozen=True)
class Inner:
    rows: Annotated[int, Rule("from 0", lambda rows: rows >= 0)]
    name: str | None


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner
    rate: float
    sure: bool
    many: tuple[Inner, ...]
    pair: tuple[float, str]
    words: list[str]
    parts: dict[str, Inner]
    way: Literal["graph", 1]
    mixed: int | str | None
    anything: dict[str, Any]

    def __post_init__(self) -> None:
        if self.rate == 13:
            raise ConfigurationError("13 is unlucky.")


GOOD: dict[str, Any] = {
    "inner": {"rows": 3, "name": None},
    "rate": 1,
    "sure": True,
    "many": [{"rows": 0, "name": "x"}],
    "pair": [0.5, "y"],
    "words": ["a"],
    "parts": {"fit": {"rows": 1, "name": "z"}},
    "way": "graph",
    "mixed": None,
    "anything": {"x": [1, {}]},
}


def test_a_dataclass_is_read_with_all_that_is_in_it() -> None:
    read = read_as(Outer, GOOD, "x")
    assert json.loads(json.dumps(dataclasses.asdict(read))) == GOOD
    assert isinstance(read.rate, float)
    assert isinstance(read.inner, Inner)
    assert isinstance(read.many[0], Inner)
    assert isinstance(read.parts["fit"], Inner)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inner": []}, r"inner: must be an object, not \[\]"),
        ({"inner": {"rows": 1}}, "inner: lacks the key 'name'"),
        (
            {"inner": {"rows": 1, "name": None, "row": 1}},
            "inner: has the unknown key 'row'. Did you mean 'rows'",
        ),
        ({"inner": {"rows": -1, "name": None}}, r"inner\.rows: must be from 0, not -1"),
        ({"inner": {"rows": True, "name": None}}, r"inner\.rows: must be a whole number, not True"),
        ({"inner": {"rows": 1.0, "name": None}}, r"inner\.rows: must be a whole number, not 1\.0"),
        ({"inner": {"rows": 1, "name": 2}}, r"inner\.name: must be text, not 2"),
        ({"rate": True}, "rate: must be a number, not True"),
        ({"rate": "1"}, "rate: must be a number"),
        ({"rate": None}, "rate: must be a number, not None"),
        ({"rate": 10**399}, "rate: is too large for a float"),
        ({"rate": 13}, "x: 13 is unlucky"),
        ({"sure": 1}, "sure: must be true or false, not 1"),
        ({"many": {}}, "many: must be a list"),
        ({"many": [GOOD["inner"], 3]}, r"many\[1\]: must be an object, not 3"),
        ({"pair": [0.5]}, "pair: must be a list of 2, not of 1"),
        ({"pair": ["y", 0.5]}, r"pair\[0\]: must be a number"),
        ({"words": [1]}, r"words\[0\]: must be text"),
        ({"words": "abc"}, "words: must be a list, not 'abc'"),
        ({"parts": []}, "parts: must be an object"),
        ({"parts": {"fit": 1}}, r"parts\.fit: must be an object"),
        ({"way": "grap"}, 'way: must be "graph" or 1, not'),
        ({"way": True}, 'way: must be "graph" or 1, not True'),
        ({"way": 1.0}, 'way: must be "graph" or 1, not 1.0'),
        ({"mixed": 1.5}, "mixed: must be a whole number or text or null, not 1.5"),
        ({"anything": [1]}, "anything: must be an object"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^x: .*{said}|^{said}"):
        read_as(Outer, {**GOOD, **change}, "x")


def test_the_outermost_value_is_named_by_its_source_alone() -> None:
    for value, said in {"[]": "must be an object", "{}": "lacks the key 'rows'"}.items():
        with pytest.raises(ConfigurationError, match=f"^x: {said}"):
            read_as(Inner, json.loads(value), "x")


def test_spelled_floats_are_floats_and_nothing_else() -> None:
    spelled = {"NaN": float("inf")}
    assert read_as(Outer, {**GOOD, "rate": "NaN"}, "x", spelled=spelled).rate == float("inf")
    with pytest.raises(ConfigurationError, match="whole number"):
        read_as(Inner, {"rows": "NaN", "name": None}, "x", spelled=spelled)


def test_only_a_newer_format_is_told_first() -> None:
    with pytest.raises(ConfigurationError, match=r"^x: was written by a newer.*format 2.*up to 1"):
        check_format({"format": 2, "strange": 1}, "x", newest=1)
    values: tuple[object, ...] = ({"format": 1}, {"format": "2"}, {}, [], None)
    for value in values:
        check_format(value, "x", newest=1)


@given(changed_json(GOOD))
def test_any_change_is_read_or_refused(value: object) -> None:
    try:
        read = read_as(Outer, value, "x")
    except ConfigurationError:
        return
    assert json.loads(json.dumps(dataclasses.asdict(read))) == value


@given(json_values)
def test_any_value_in_place_of_an_object_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError):
        read_as(Inner, value, "x")
