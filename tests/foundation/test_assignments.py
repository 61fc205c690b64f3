"""NAME=VALUE: what words say, and that what is written can be read again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.assignments import (
    format_assignments,
    parse_assignments,
    parse_value,
    split_word,
)

names = st.from_regex(r"[a-z_][a-z0-9_]{0,9}", fullmatch=True)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(names, values, max_size=4))
@example({"a": 'say "no, [thanks'})
@example({"a": "True", "b": "3", "c": " x ", "d": "", "e": "[1,", "f": 'back\\"slash\\'})
def test_settings_in_one_word_are_read_again(settings: dict[str, Any]) -> None:
    word = format_assignments(settings)
    parts = split_word(word, ",") if word else []
    assert repr(parse_assignments(parts, "word")) == repr(settings)
    assert split_word(word, "@") == [word]


@given(st.text(), st.sampled_from(",@"))
def test_parts_of_a_word_are_all_of_it(word: str, separator: str) -> None:
    assert separator.join(split_word(word, separator)) == word


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-2", 0.01),
        ("cosine", "cosine"),
        ("true", True),
        ("True", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ("[64,32]", [64, 32]),
        ('"3"', "3"),
        ("", ""),
        ("nan", "nan"),
        ("1e999", "1e999"),
        ("64,32", "64,32"),
    ],
)
def test_a_value_is_json_or_text(text: str, value: object) -> None:
    found = parse_value(text, "x")
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["[64,32", '{"a": 1', '"text', "[" * 99 + "]" * 99, "[NaN]"])
def test_what_begins_like_json_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--set: a"):
        parse_assignments([f"a={text}"], "--set")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["epochs"], r"^--set: 'epochs' is no setting; write NAME=VALUE, such as epochs=3\.$"),
        (["=3"], "'=3' is no setting"),
        (["epochs=3", "epochs=4"], "^--set: epochs is given twice; give it once"),
        (["epochs=3", " epochs =3"], "twice"),
    ],
)
def test_a_word_that_is_no_setting_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_assignments(words, "--set")
