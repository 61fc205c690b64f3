from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnistlab.cli.rows import MOST_ROWS, split_rows
from fmnistlab.errors import ConfigurationError

PARTS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 40)), min_size=1, max_size=8)


@given(PARTS, st.sampled_from(["bundled", "x.csv", "a:b.CSV.gz", "folder/x.csv"]))
def test_the_rows_are_those_that_are_named_in_their_order(
    parts: list[tuple[int, int]], source: str
) -> None:
    text = ",".join(f"{first}-{first + more}" if more else f"{first}" for first, more in parts)
    named = split_rows(f"{source}:{text}")
    assert named is not None
    assert (named.source, named.bundled) == (source, source == "bundled")
    wanted = [row for first, more in parts for row in range(first, first + more + 1)]
    assert list(named.chosen(max(wanted) + 1)) == wanted
    with pytest.raises(ConfigurationError, match=f"there is no row {max(wanted)}; it has"):
        list(named.chosen(max(wanted)))


@given(st.text(st.sampled_from("0123456789-,: .x\0٣"), max_size=12))
def test_any_word_is_rows_or_a_picture_or_refused(text: str) -> None:
    for word in (text, f"x.csv:{text}", f"bundled:{text}"):
        try:
            named = split_rows(word)
        except ConfigurationError:
            continue
        if named is not None and named.rows is not None:
            again = ",".join(f"{rows[0]}-{rows[-1]}" for rows in named.rows)
            assert split_rows(f"{named.source}:{again}") == named
            assert sum(map(len, named.rows)) <= MOST_ROWS


def test_a_word_without_a_table_is_a_picture(here: Path) -> None:
    for word in ("shoe.png", "shoe.png:3", "bundle:3", "C:shoe.png", "", ":", "folder.csv/x.png"):
        assert split_rows(word) is None, word
    assert split_rows("C:\\x.csv") == ("C:\\x.csv", False, None)
    assert split_rows("C:\\x.csv:3") == ("C:\\x.csv", False, [range(3, 4)])
