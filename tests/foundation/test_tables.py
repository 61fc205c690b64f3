from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import any_float, table_rows

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.tables import Cell, Column, format_table, latex_table, markdown_table
from fmnistlab.foundation.terminal import printable


def test_numbers_are_right_aligned_and_text_left_aligned() -> None:
    table = format_table(
        ["model", "parameters", Column("loss", ".3f"), "note"],
        [("cnn", 26194, 0.2746, None), ("linearnet", 218058, 0.3141, "slow")],
        title="two models",
    )
    assert table.split("\n") == [
        "two models",
        "model      parameters   loss  note",
        "---------  ----------  -----  ----",
        "cnn            26,194  0.275  -",
        "linearnet     218,058  0.314  slow",
    ]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (1234567, "1,234,567"),
        (0.5, "0.5000"),
        (1234.5, "1,234.5000"),
        (0.0, "0.0000"),
        (0.00001, "1.0e-05"),
        (-0.00001, "-1.0e-05"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (None, "-"),
        ("a\nb\x1b[2J\u202e", r"a\nb\x1b[2J\u202e"),
        ("Größe", "Größe"),
    ],
)
def test_a_cell_is_shown_so_that_it_can_be_read(cell: Cell, shown: str) -> None:
    assert format_table(["x"], [(cell,)]).split("\n")[-1] == shown


def test_a_column_with_one_word_among_the_numbers_is_text() -> None:
    lines = format_table(["seconds"], [(12,), ("unknown",), (None,)]).split("\n")
    assert lines[2:] == ["12", "unknown", "-"]


def test_a_column_of_nothing_but_none_is_text() -> None:
    assert format_table(["long title"], [(None,)]).split("\n")[-1] == "-"


def test_a_none_among_numbers_is_right_aligned() -> None:
    assert format_table(["long title"], [(None,), (1,)]).split("\n")[2] == "         -"


def test_a_table_without_rows_has_a_head() -> None:
    assert format_table(["a", "b"], []) == "a  b\n-  -"


def test_text_that_stands_for_a_number_is_right_aligned_if_asked_and_never_cut() -> None:
    lines = format_table([Column("share", right=True)], [("123,456 of 789,012",), ("-",)], width=9)
    assert lines.split("\n")[2:] == ["123,456 of 789,012", " " * 17 + "-"]


def test_wide_text_is_cut_and_numbers_are_not() -> None:
    table = format_table(["name", "n"], [("x" * 50, 123456789)], width=30)
    assert table.split("\n")[-1] == "x" * 14 + "...  123,456,789"


def test_the_widest_text_is_cut_first() -> None:
    lines = format_table(["a", "b"], [("x" * 10, "y" * 30)], width=32).split("\n")
    assert lines[-1] == "x" * 10 + "  " + "y" * 17 + "..."


def test_no_text_is_cut_below_eight_characters() -> None:
    lines = format_table(["a", "b"], [("x" * 10, "y" * 30)], width=5).split("\n")
    assert lines[-1] == "xxxxx...  yyyyy..."


def test_a_long_title_of_a_text_column_is_cut_too() -> None:
    assert format_table(["a long title"], [("x",)], width=9).split("\n")[0] == "a long..."


def test_a_cut_never_ends_in_half_a_joined_letter() -> None:
    line = format_table(["a"], [("\N{FIRE}\u200d" * 9 + "\N{FIRE}",)], width=13).split("\n")[-1]
    assert line == "\u200d".join("\N{FIRE}" * 5) + "..."


def test_a_row_of_another_length_is_refused() -> None:
    for make in (format_table, markdown_table, latex_table):
        with pytest.raises(ConfigurationError, match="row 2 of the table has 1 cells for 2 colu"):
            make(["a", "b"], [(1, 2), (1,)])


@given(table_rows, st.integers(1, 200))
def test_lines_are_aligned_and_never_longer_than_the_rule(
    rows: list[tuple[Cell, ...]], width: int
) -> None:
    heads = [f"column {i}" for i in range(len(rows[0]))]
    head, rule, *body = format_table(heads, rows, width=width).split("\n")
    assert len(body) == len(rows)
    assert set(rule) <= {"-", " "}
    assert all(len(line) <= len(rule) for line in (head, *body))
    assert all(line == line.rstrip() for line in body)
    starts = [0, *(i + 2 for i in range(len(rule)) if rule[i : i + 2] == "  ")]
    # Between two columns there are blanks in each line.
    assert all(line[start - 2 : start].strip() == "" for line in body for start in starts[1:])


@given(st.lists(st.tuples(st.text(max_size=60), any_float), min_size=1, max_size=4))
def test_a_table_with_one_text_column_fits(rows: list[tuple[str, float]]) -> None:
    rows = [(text, value % 1000) for text, value in rows]
    assert max(map(len, format_table(["text", "value"], rows, width=30).split("\n"))) <= 30


# --- Markdown -------------------------------------------------------------------------------------


def test_a_markdown_table_tells_the_side_of_each_column() -> None:
    loss, share = Column("loss", ".3f"), Column("share", right=True)
    columns: list[str | Column] = ["model", "parameters", loss, share, ""]
    rows: list[tuple[Cell, ...]] = [
        ("`cnn`", 26194, 0.2746, "1 of 2", None),
        ("linearnet", None, 0.3141, "", "a|b\nc"),
    ]
    assert markdown_table(columns, rows).split("\n") == [
        "| model | parameters | loss | share |  |",
        "| --- | ---: | ---: | ---: | --- |",
        "| `cnn` | 26,194 | 0.275 | 1 of 2 | - |",
        r"| linearnet | - | 0.314 |  | a\|b c |",
    ]


def test_a_markdown_table_without_rows_has_a_head() -> None:
    assert markdown_table(["a|b", "c"], []) == "| a\\|b | c |\n| --- | --- |"


markdown_texts = st.text(st.sampled_from("|\\`-*:<a \n\r\u2028\x1b"), max_size=8) | st.text(
    max_size=8
)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[markdown_texts] * n), min_size=1)))
def test_a_reader_of_markdown_finds_each_cell_whatever_it_holds(
    rows: list[tuple[str, ...]],
) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    table = markdown_table(rows[0], rows[1:])
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(table)
    assert (tokens[0].type, tokens[-1].type) == ("table_open", "table_close")
    found = [token.content for token in tokens if token.type == "inline"]
    wanted = [printable(" ".join(text.splitlines())).strip() for row in rows for text in row]
    assert found == wanted


def test_a_latex_table_escapes_what_latex_would_obey() -> None:
    columns: list[str | Column] = ["a_b", Column("share", ".1f"), Column("side", right=True)]
    rows: list[list[Cell]] = [["50 % & $x$ \\ {~^<>#}", 1.25, "1 to 2"], [None, None, None]]
    assert latex_table(columns, rows).split("\n") == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"a\_b & share & side \\",
        r"\midrule",
        r"50 \% \& \$x\$ \textbackslash{} \{\textasciitilde{}\textasciicircum{}\textless{}"
        r"\textgreater{}\#\} & 1.2 & 1 to 2 \\",
        r"- & - & - \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


@given(st.text())
def test_a_latex_cell_stays_one_cell(text: str) -> None:
    line = latex_table(["a", "b"], [[text, "x"]]).split("\n")[4]
    plain = re.sub(r"\\[a-z]+\{\}|\\[&%$#_{}]", "", line.removesuffix(r" \\"))
    assert plain.count("&") == 1
    assert not set(plain) & set("%$#_{}~^\\")
