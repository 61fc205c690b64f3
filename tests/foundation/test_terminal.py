"""What a text may do to a terminal: nothing."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fmnistlab.foundation.terminal import LIMIT, describe, one_line, printable

any_text = st.text(st.characters(exclude_categories=()))
joining_text = st.text(st.sampled_from("a\u0646\u200c\u200d\ufe0f\U000e0100\U0001f525\x1b\n"))
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("\x00\x07\x7f\x80\x9b", r"\x00\x07\x7f\x80\x9b"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\u061c\u200e\u200f\u202a\u202e\u2066\u2069", None),
        ("\u2028\u2029\u00ad\u200b\u2060\ufeff\U000e0041", None),
        ("\udcff\ud800", r"\udcff\ud800"),
        ("\ue000\u0378\U0010ffff", r"\ue000\u0378\U0010ffff"),
        ("\u00a0\u202f\u3000\u115f\u3164\u2800", None),
        (r"C:\new\x1b", r"C:\new\x1b"),
        ("Größe 衣服 قميص 👕", "Größe 衣服 قميص 👕"),
    ],
)
def test_what_would_act_or_hide_is_shown_as_an_escape(text: str, shown: str | None) -> None:
    if shown is None:
        shown = text.encode("ascii", "backslashreplace").decode()
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        FAMILY,
        "❤\ufe0f\u200d🔥",
        "1\ufe0f\u20e3",
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    ],
)
def test_joiners_stay_where_they_shape_their_neighbors(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", ["cn\u200dn", "\u200dé", "é\u200d", "é\u200d\u202e", "\ufe0f"])
def test_joiners_and_selectors_that_shape_nothing_are_shown(text: str) -> None:
    assert "\\u" in printable(text)


def test_line_breaks_and_tabs_stay_where_lines_are_asked_for() -> None:
    assert printable("a\n\tb\r\x1b", lines=True) == "a\n\tb\\r\\x1b"
    assert one_line("a\n\n  b\n") == "a b"


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    shown = printable("/folder/" + "x" * 5000 + ": File name too long.", limit=100)
    assert len(shown) <= 100
    assert shown.startswith("/folder/")
    assert " characters more) ..." in shown
    assert shown.endswith(": File name too long.")
    count = int(shown.split("(")[1].split(" ")[0].replace(",", ""))
    kept = len(shown) - len(f"... ({count:,} characters more) ...")
    assert kept + count == 5000 + len("/folder/: File name too long.")


@pytest.mark.parametrize("text", [FAMILY, "\N{FIRE}\ufe0f", "\N{FIRE}\ufe0f\u200d"])
def test_no_cut_leaves_a_joiner_without_its_neighbor(text: str) -> None:
    for limit in range(64, 128):
        shown = printable(text * 100, limit=limit)
        assert len(shown) <= limit
        assert printable(shown, limit=limit) == shown


@given(any_text | joining_text, st.integers(0, 200), st.booleans())
@example(FAMILY * 100, 64, False)
def test_shown_text_is_harmless_short_and_stays_as_it_is(
    text: str, limit: int, lines: bool
) -> None:
    shown = printable(text, limit=limit, lines=lines)
    assert len(shown) <= max(limit, 64)
    assert printable(shown, limit=limit, lines=lines) == shown
    shown.encode("utf-8")
    kept = "\n\t" if lines else ""
    for character in shown:
        harmless = unicodedata.category(character) not in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert harmless or character in kept
        assert unicodedata.category(character) != "Cf" or character in "\u200c\u200d"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=LIMIT))
def test_plain_text_is_left_alone(text: str) -> None:
    assert printable(text) == text


def test_a_huge_text_takes_no_time() -> None:
    assert len(printable("\x1b" * 10_000_000)) <= LIMIT


def test_an_error_is_described_even_if_it_cannot_print_itself() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert describe(MuteError()) == "MuteError: (its text cannot be shown)"
    assert describe(ValueError("a\x1b\nb")) == "ValueError: a\\x1b\nb"
    assert describe(ValueError()) == "ValueError"
    assert describe(type("E\x1b", (Exception,), {})("x")) == "E\\x1b: x"
