from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.html_page import HOSTILE, Page, checked
from tests.strategies import table_rows

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation import html
from fmnistlab.foundation.tables import Column
from fmnistlab.foundation.terminal import printable


@given(
    table_rows,
    st.text(max_size=30) | st.just(HOSTILE),
    st.text(max_size=30) | st.just(HOSTILE),
    st.lists(st.text(max_size=30), max_size=2),
)
def test_whatever_a_table_holds_is_text(
    rows: list[tuple[html.HtmlCell, ...]], title: str, caption: str, notes: list[str]
) -> None:
    page = checked(html.table([title] * len(rows[0]), rows, caption=caption, notes=notes))
    shown = "".join(page.texts)
    for words in [title, caption, *notes, *(cell for row in rows for cell in row)]:
        if isinstance(words, str):
            assert printable(words, limit=html.CELL_LIMIT) in shown
    cells = [tag for tag, _ in page.elements if tag in {"td", "th"}]
    assert len(cells) == len(rows[0]) * (len(rows) + 1)


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20) | st.integers()), max_size=3))
def test_whatever_facts_hold_is_text(pairs: list[tuple[str, str | int]]) -> None:
    page = checked(html.facts(HOSTILE, pairs))
    assert [tag for tag, _ in page.elements].count("tr") == len(pairs)


def test_a_long_text_loses_its_middle() -> None:
    assert html.CELL_LIMIT - 9 < len(html.text("x" * 10_000)) <= html.CELL_LIMIT


def test_numbers_stand_right_and_text_left_and_the_first_cell_names_the_row() -> None:
    page = Page(html.table(["name", Column("count", ",d")], [["a", 1234], ["b", None]], caption=""))
    assert page.elements[4:] == [
        ("tr", {}),
        ("th", {"scope": "col", "style": "text-align: left"}),
        ("th", {"scope": "col", "style": "text-align: right"}),
        ("tbody", {}),
        ("tr", {}),
        ("th", {"scope": "row", "style": "text-align: left"}),
        ("td", {"style": "text-align: right"}),
        ("tr", {}),
        ("th", {"scope": "row", "style": "text-align: left"}),
        ("td", {"style": "text-align: right"}),
    ]
    assert page.texts == ["name", "count", "a", "1,234", "b", "-"]


def test_a_picture_is_in_the_page_with_words_for_those_who_do_not_see_it() -> None:
    picture = html.Picture(b"the bytes", HOSTILE, 56)
    (image,) = [
        attributes
        for tag, attributes in checked(html.table(["x"], [[picture]], caption="")).elements
        if tag == "img"
    ]
    assert base64.b64decode((image["src"] or "").partition(",")[2]) == b"the bytes"
    assert image["alt"] == printable(HOSTILE)
    assert (image["width"], image["height"]) == ("56", "56")


def test_a_row_with_too_few_cells_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="row 2 of the table has 1 cells for 2 columns"):
        html.table(["a", "b"], [[1, 2], [3]], caption="")


@given(st.lists(st.integers(), max_size=30), st.integers(1, 12))
def test_the_middle_of_many_rows_is_left_out(rows: list[int], most: int) -> None:
    first, last, between = html.without_middle(rows, most)
    assert len(first) + between + len(last) == len(rows)
    assert len(first) + len(last) == min(most, len(rows))
    assert [*first] == rows[: len(first)]
    assert [*last] == rows[len(rows) - len(last) :]
