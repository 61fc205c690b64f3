from __future__ import annotations

import copy
import math

import pytest
from hypothesis import given
from tests.strategies import changed_json, finished_epochs, json_values

from fmnistlab.experiments.records.differences import (
    Difference,
    differing,
    differing_epochs,
    values_in,
)
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.records.history import History


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1]"),
        ({"a": 1}, {}, "a"),
        ({}, {"a": 1}, "a"),
        ({"a": 0.0}, {"a": -0.0}, "a"),
        ({"a": 1}, {"a": 1.0}, "a"),
        ({"a": 1}, {"a": True}, "a"),
        ({"a": None}, {"a": math.nan}, "a"),
        ({"a": [1]}, {"a": [1, 2]}, "a"),
        ({"a": []}, {"a": {}}, "a"),
        ({"a": 0.1}, {"a": math.nextafter(0.1, 1)}, "a"),
    ],
)
def test_the_place_of_a_difference_is_told(one: object, other: object, place: str) -> None:
    assert [found.place for found in differing(one, other)] == [place]


def test_both_sides_are_told_in_short() -> None:
    (found,) = differing({"a": "x" * 500}, {})
    assert found.one.endswith("...")
    assert len(found.one) == 100
    assert found.other == "nothing"


def test_a_tuple_is_a_list_and_nan_is_nan() -> None:
    assert list(differing({"a": (1, math.nan)}, {"a": [1, math.nan]})) == []


@given(json_values)
def test_a_copy_does_not_differ(value: object) -> None:
    assert list(differing(value, copy.deepcopy(value))) == []


@given(json_values.flatmap(lambda value: changed_json(value).map(lambda other: (value, other))))
def test_what_differs_differs_from_both_sides(pair: tuple[object, object]) -> None:
    one, other = pair
    there = [found.place for found in differing(one, other)]
    back = [found.place for found in differing(other, one)]
    assert sorted(there) == sorted(back)
    assert bool(there) >= (one != other)


@given(finished_epochs(min_size=1))
def test_histories_differ_by_epoch_and_number(epochs: list[EpochRecord]) -> None:
    one, shorter = History(epochs), History(epochs[:-1])
    assert differing_epochs(one, one) == []
    assert differing_epochs(one, shorter) == [
        Difference("number of epochs", str(len(epochs)), str(len(epochs) - 1))
    ]


def test_values_are_counted_where_they_are() -> None:
    assert values_in({"a": [1, None, {"b": "x", "c": []}], "d": (True,)}) == 4
