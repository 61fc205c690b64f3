from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import json_values

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.strict_json import MAX_DEPTH, parse_json


@given(json_values)
def test_plain_values_are_read_as_they_were(value: object) -> None:
    assert parse_json(json.dumps(value), "x") == value
    assert parse_json(json.dumps(value).encode(), "x") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not valid JSON: Expecting value"),
        (b"\xff", "is not UTF-8 text; byte 0"),
        (b"\xef\xbb\xbf1", "BOM"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' stands there twice"),
        ('[{"a": {"b": 1, "b": 1}}]', "the key 'b' stands there twice"),
        ("NaN", "NaN is no number of JSON"),
        ("[Infinity]", "Infinity is no number"),
        ("-Infinity", "-Infinity is no number"),
        ("1e999", "too large for a float"),
        ("-1e999", "too large for a float"),
        ("1" * 401, "401 digits"),
        ("9" * 100_000, "100,000 digits"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "more than 32 levels"),
        ('{"a":' * 500_000, "more than 32 levels"),
        ("1 2", "Extra data"),
    ],
)
def test_what_is_no_strict_json_is_refused(text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^the place: .*{said}"):
        parse_json(text, "the place")


def test_as_many_levels_as_are_allowed_are_read() -> None:
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "x")


@given(st.binary())
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        parse_json(content, "x")
    except ConfigurationError:
        return
    assert parse_json(content, "x") == json.loads(content)
