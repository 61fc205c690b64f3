"""Files that are not legal are refused with line, column, value and reason."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import BAD_CELLS, byte_edits, edited

from fmnistlab.data import csv_file, csv_strict
from fmnistlab.data.csv_file import FashionTable, read_csv
from fmnistlab.data.csv_strict import column_names
from fmnistlab.errors import DataFormatError
from fmnistlab.testing.strategies import csv_tables, csv_texts

NAMES = ["label", *(f"pixel{i}" for i in range(1, 785))]


def good_lines() -> list[list[str]]:
    """A header and three rows, as texts of cells."""
    table = np.random.default_rng(1).integers(100, 256, (3, 785))
    table[:, 0] = [3, 7, 9]
    return [NAMES.copy(), *([str(cell) for cell in row] for row in table.tolist())]


def text_of(lines: list[list[str]], cell_end: str = ",", line_end: str = "\n") -> str:
    return "".join(cell_end.join(cells) + line_end for cells in lines)


def cell(line: int, column: int, text: str) -> Callable[[], str]:
    """The good file with another text in one cell; lines from 1, columns from 0."""

    def build() -> str:
        lines = good_lines()
        lines[line - 1][column] = text
        return text_of(lines)

    return build


def header(change: Callable[[list[str]], list[str]]) -> Callable[[], str]:
    """The good file with another header; the rows stay."""
    return lambda: text_of([change(NAMES.copy()), *good_lines()[1:]])


def lines(change: Callable[[list[list[str]]], object]) -> Callable[[], str]:
    """The good file after a change of the list of its lines."""

    def build() -> str:
        content = good_lines()
        change(content)
        return text_of(content)

    return build


def whole(change: Callable[[str], str | bytes]) -> Callable[[], str | bytes]:
    return lambda: change(text_of(good_lines()))


class Fault(NamedTuple):
    build: Callable[[], str | bytes]
    reason: str
    line: int | None = None
    column: str | None = None
    value: str | None = None


FAULTS: dict[str, Fault] = {
    # cells
    "pixel 256": Fault(cell(3, 5, "256"), "is too large: pixels go", 3, "pixel5", "256"),
    "pixel 257": Fault(cell(3, 5, "257"), "is too large: pixels go", 3, "pixel5", "257"),
    "pixel 65536": Fault(cell(3, 784, "65536"), "is too large", 3, "pixel784", "65536"),
    "pixel of 30 digits": Fault(cell(3, 1, "1" * 30), "is too large", 3, "pixel1", "1" * 30),
    "pixel -1": Fault(cell(2, 1, "-1"), "is negative: pixels go", 2, "pixel1", "-1"),
    "label 10": Fault(cell(4, 0, "10"), "is too large: labels go from 0 to 9", 4, "label", "10"),
    "label -1": Fault(cell(4, 0, "-1"), "is negative: labels go", 4, "label", "-1"),
    "label 300": Fault(cell(4, 0, "300"), "is too large: labels", 4, "label", "300"),
    "class name as label": Fault(cell(2, 0, "Bag"), "is not a whole number", 2, "label", "Bag"),
    "empty cell": Fault(cell(2, 9, ""), "is empty; pixels go", 2, "pixel9", ""),
    "quoted empty cell": Fault(cell(2, 9, '""'), "is empty", 2, "pixel9", '""'),
    "cell of spaces": Fault(cell(2, 9, "  "), "is empty", 2, "pixel9", "  "),
    "NaN": Fault(cell(2, 9, "NaN"), "is not a number", 2, "pixel9", "NaN"),
    "NULL": Fault(cell(2, 9, "NULL"), "is not a number", 2, "pixel9", "NULL"),
    "inf": Fault(cell(2, 9, "-inf"), "is not a number", 2, "pixel9", "-inf"),
    "exponent": Fault(cell(2, 9, "1e2"), "must be written as a whole number", 2, "pixel9", "1e2"),
    "fraction": Fault(cell(2, 9, "0.5"), "must be written as a whole", 2, "pixel9", "0.5"),
    "float": Fault(cell(2, 9, "7.0"), "must be written as a whole", 2, "pixel9", "7.0"),
    "underscore": Fault(cell(2, 9, "1_0"), "is not a whole number in the", 2, "pixel9", "1_0"),
    "hexadecimal": Fault(cell(2, 9, "0x1f"), "is not a whole number", 2, "pixel9", "0x1f"),
    "Arabic digits": Fault(cell(2, 9, "١٢"), "in the digits 0 to 9", 2, "pixel9", "١٢"),
    "letter O": Fault(cell(2, 9, "O"), "is not a whole number", 2, "pixel9", "O"),
    "NUL byte": Fault(cell(2, 9, "1\0"), "holds a NUL byte", 2, "pixel9", "1\0"),
    "leading zero": Fault(cell(2, 9, "07"), "has leading zeros", 2, "pixel9", "07"),
    "plus sign": Fault(cell(2, 9, "+7"), "has a plus sign", 2, "pixel9", "+7"),
    "space before": Fault(cell(2, 9, " 7"), "has a space", 2, "pixel9", " 7"),
    "space after": Fault(cell(2, 9, "7 "), "has a space", 2, "pixel9", "7 "),
    "tab after": Fault(cell(2, 9, "7\t"), "has a space or control char", 2, "pixel9", "7\t"),
    "two carriage returns": Fault(
        cell(2, 784, "7\r\r"), "has a space or control char", 2, "pixel784", "7\r"
    ),
    "open quote": Fault(cell(2, 9, '"7'), "has a quote in the wrong", 2, "pixel9", '"7'),
    "doubled quotes": Fault(cell(2, 9, '""7""'), "has a quote in", 2, "pixel9", '""7""'),
    "comma in quotes": Fault(cell(2, 9, '"7,5"'), "has a quote in the", 2, "pixel9", '"7'),
    "line end in quotes": Fault(cell(2, 9, '"7\n"'), "has a quote in the", 2, "pixel9", '"7'),
    "bytes that are no text": Fault(
        whole(lambda text: text.encode().replace(b"\n7,", b"\n7\xff,")),
        "is not a whole number",
        3,
        "label",
        r"7\xff",
    ),
    "long nonsense": Fault(cell(2, 9, "y" * 99), "is not a", 2, "pixel9", "y" * 37 + "..."),
    # lines
    "short row": Fault(lines(lambda ls: ls[2].pop()), "has 784 cells instead of 785", 3),
    "long row": Fault(
        lines(lambda ls: ls[2].append("5")), "one cell too many", 3, "column 786", "5"
    ),
    "trailing comma": Fault(
        lines(lambda ls: ls[2].append("")), "remove the comma at its end", 3, "column 786", ""
    ),
    "blank line inside": Fault(lines(lambda ls: ls.insert(2, [])), "is blank, but more", 3),
    "blank first line": Fault(lines(lambda ls: ls.insert(0, [])), "is blank, but more", 1),
    "line of spaces": Fault(lines(lambda ls: ls.insert(2, ["  "])), "has 1 cells instead", 3),
    "comment": Fault(lines(lambda ls: ls.insert(2, ["# half"])), "has 1 cells instead", 3),
    "second header": Fault(
        lines(lambda ls: ls.insert(3, NAMES)), "starts a second header", 4, "label", "label"
    ),
    "semicolons in a row": Fault(
        lines(lambda ls: ls.__setitem__(2, [";".join(ls[2])])), "has semicolons between", 3
    ),
    "cut inside a row": Fault(whole(lambda text: text[:-700]), "the file is cut off", 4),
    "old Mac line ends": Fault(
        lambda: text_of(good_lines() * 9, line_end="\r"), r"ends in \\r alone", 1
    ),
    "line of 20,000 bytes": Fault(cell(2, 9, "1" * 20_000), "is longer than 16,384 bytes", 2),
    # headers
    "label last": Fault(
        header(lambda names: [*names[1:], names[0]]),
        "stands first, but label is column 785",
        1,
        "label",
        "pixel1",
    ),
    "pixel columns permuted": Fault(
        header(lambda names: [*names[:3], names[4], names[3], *names[5:]]),
        "is out of order: pixel3 is expected here but is column 5",
        1,
        "pixel3",
        "pixel4",
    ),
    "duplicate column": Fault(
        header(lambda names: [*names[:9], names[2], *names[10:]]),
        "stands here a second time; pixel9 is expected",
        1,
        "pixel9",
        "pixel2",
    ),
    "missing column": Fault(
        header(lambda names: [*names[:9], *names[10:]]),
        "stands where pixel9 is expected, and no column",
        1,
        "pixel9",
        "pixel10",
    ),
    "missing last column": Fault(
        header(lambda names: names[:-1]), "is missing: 784 columns are named", 1, "pixel784"
    ),
    "one name too many": Fault(
        header(lambda names: [*names, "pixel785"]),
        "is one column too many",
        1,
        "column 786",
        "pixel785",
    ),
    "header ends in a comma": Fault(
        header(lambda names: [*names, ""]), "is one column too many", 1, "column 786", ""
    ),
    "Label": Fault(
        header(lambda names: ["Label", *names[1:]]), "small letters", 1, "label", "Label"
    ),
    "label with a space": Fault(
        header(lambda names: [" label", *names[1:]]), "no spaces", 1, "label", " label"
    ),
    "Pixel": Fault(
        header(lambda names: ["label", *map(str.title, names[1:])]),
        "stands where pixel1 is expected",
        1,
        "pixel1",
        "Pixel1",
    ),
    "no label column": Fault(
        header(lambda names: names[1:]), "no column is called label", 1, "label", "pixel1"
    ),
    "index column": Fault(
        header(lambda names: ["", *names]), "an index column; write the file", 1, "label", ""
    ),
    "numbered columns": Fault(
        header(lambda names: list(map(str, range(785)))), "no column is called", 1, "label", "0"
    ),
    "another data set": Fault(
        header(lambda names: ["x", "y"]), "no column is called label", 1, "label", "x"
    ),
    "open quote in the header": Fault(
        header(lambda names: [*names[:2], '"pixel2', *names[3:]]),
        "stands where pixel2 is expected",
        1,
        "pixel2",
        '"pixel2',
    ),
    # files
    "empty file": Fault(lambda: "", "is empty"),
    "blank file": Fault(lambda: "\n\r\n\n", "is empty"),
    "only a byte order mark": Fault(lambda: "\ufeff", "is empty"),
    "header only": Fault(lambda: text_of(good_lines()[:1]), "has a header but no rows", 1),
    "semicolons": Fault(
        lambda: text_of(good_lines(), ";"), "has semicolons between the cells; write", 1
    ),
    "tabs": Fault(lambda: text_of(good_lines(), "\t"), "has tabs between the cells", 1),
    "spaces": Fault(lambda: text_of(good_lines(), " "), "has spaces between the cells", 1),
    "bars": Fault(lambda: text_of(good_lines(), "|"), "has bars between the cells", 1),
    "UTF-16": Fault(whole(lambda text: text.encode("utf-16")), "looks like UTF-16"),
    "UTF-16 without a mark": Fault(
        whole(lambda text: text.encode("utf-16-be")), "looks like UTF-16; save it as UTF-8"
    ),
    "web page": Fault(lambda: " <!DOCTYPE html>", "looks like a web page"),
    "Git LFS pointer": Fault(
        lambda: "version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"
    ),
    "IDX file": Fault(lambda: b"\0\0\x08\x01\0\0\xea\x60" + bytes(99), "looks like an IDX file"),
    "zstd": Fault(lambda: b"\x28\xb5\x2f\xfd" + bytes(99), "is compressed by zstd"),
    "7z archive": Fault(lambda: b"7z\xbc\xaf\x27\x1c" + bytes(99), "is a 7z or rar archive"),
    "tar archive": Fault(
        lambda: gzip.compress(b"data.csv".ljust(257, b"\0") + b"ustar\x0000" + bytes(9)),
        "is a tar archive",
    ),
    "npy file": Fault(lambda: b"\x93NUMPY\1\0" + bytes(99), "is not a text file"),
    "zeros": Fault(lambda: bytes(30_000), "is longer than 16,384 bytes", 1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    content = fault.build()
    path = tmp_path / "data.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataFormatError, match=fault.reason) as caught:
        read_csv(path)
    error = caught.value
    assert (error.path, error.line) == (str(path), fault.line)
    assert (error.column, error.value) == (fault.column, fault.value)


def test_the_list_of_faults_is_long_enough() -> None:
    assert len(FAULTS) >= 39


def test_a_header_that_counts_from_zero_names_the_columns_so(tmp_path: Path) -> None:
    content = good_lines()
    content[0] = ["label", *(f"pixel{i}" for i in range(784))]
    content[2][1] = "x"
    (tmp_path / "data.csv").write_text(text_of(content))
    with pytest.raises(DataFormatError, match="line 3, column pixel0: 'x'"):
        read_csv(tmp_path / "data.csv")


def test_a_bad_cell_in_the_first_line_of_a_file_without_header_is_a_bad_cell(
    tmp_path: Path,
) -> None:
    content = good_lines()[1:]
    content[0][7] = "x"
    (tmp_path / "data.csv").write_text(text_of(content))
    with pytest.raises(DataFormatError, match="line 1, column pixel7: 'x'"):
        read_csv(tmp_path / "data.csv")


@st.composite
def tables_with_a_bad_cell(draw: st.DrawFn) -> tuple[str, int, str, str]:
    """The text of a file, and line, column and text of its bad cell."""
    rows = [[str(value) for value in row] for row in draw(csv_tables()).tolist()]
    row, column = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, 784))
    bad = draw(st.sampled_from(BAD_CELLS))
    rows[row][column] = bad
    if draw(st.booleans()):
        rows.insert(0, NAMES)
        row += 1
    text = text_of(rows, line_end=draw(st.sampled_from(["\n", "\r\n"])))
    return text, row + 1, NAMES[column], bad


@settings(max_examples=300)
@given(case=tables_with_a_bad_cell(), block=st.sampled_from([100, 3000, 2**22]))
def test_one_bad_cell_is_found_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, int, str, str], block: int
) -> None:
    text, line, column, bad = case
    path = tmp_path_factory.mktemp("bad") / "data.csv"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "BLOCK_BYTES", block)
        error = outcome(path)
    assert isinstance(error, DataFormatError)
    assert (error.path, error.line, error.column) == (str(path), line, column)
    assert error.value == (bad if len(bad) <= 40 else bad[:37] + "...")


# --- nothing else is accepted ---------------------------------------------------------------------

_NUMBER = rb"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_CELL = b'(?:%s|"%s")' % (_NUMBER, _NUMBER)
_ROW = rb'(?:\d|"\d")(?:,%s){784}' % _CELL
_HEADERS = [
    b",".join(b'(?:%s|"%s")' % (name.encode(), name.encode()) for name in ("label", *pixels))
    for pixels in ([f"pixel{first + i}" for i in range(784)] for first in (0, 1))
]
LEGAL_FILE = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:(?:%s)\r?\n)?(%s(?:\r?\n%s)*)(?:\r?\n[\r\n]*|\r)?"
    % (b"|".join(_HEADERS), _ROW, _ROW)
)
"""The format once more, as one regular expression that knows nothing of the reader."""


def legal_meaning(text: bytes) -> np.ndarray | None:
    match = LEGAL_FILE.fullmatch(text)
    if match is None:
        return None
    values = re.findall(rb"\d+", match[1])
    return np.array([int(value) for value in values], np.uint8).reshape(-1, 785)


def outcome(path: Path) -> FashionTable | DataFormatError:
    try:
        return read_csv(path)
    except DataFormatError as error:
        return error


@settings(max_examples=400)
@given(case=csv_texts(), edits=byte_edits, block=st.sampled_from([500, 7000, 2**22]))
def test_whatever_is_edited_is_read_exactly_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    case: tuple[np.ndarray, bytes],
    edits: list[tuple[str, float, int]],
    block: int,
) -> None:
    text = edited(case[1], edits)
    path = tmp_path_factory.mktemp("edited") / "data.csv"
    path.write_bytes(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "BLOCK_BYTES", block)
        found = outcome(path)
        patch.undo()
        assert str(outcome(path)) == str(found) or isinstance(found, FashionTable)
        patch.setattr(csv_file, "_proved_rows", lambda text: None)
        slowly = outcome(path)
    meaning = legal_meaning(text)
    if meaning is None:
        assert isinstance(found, DataFormatError)
        assert str(found) == str(slowly)
        assert found.path == str(path)
    else:
        assert isinstance(found, FashionTable)
        assert isinstance(slowly, FashionTable)
        for table in (found, slowly):
            assert np.array_equal(table.labels, meaning[:, 0])
            assert np.array_equal(table.images.reshape(-1, 784), meaning[:, 1:])


@settings(max_examples=100)
@given(rows=csv_tables(), edits=byte_edits)
def test_the_quick_way_accepts_only_what_the_plain_way_accepts(
    rows: np.ndarray, edits: list[tuple[str, float, int]]
) -> None:
    text = edited(text_of([[str(v) for v in row] for row in rows.tolist()]).encode(), edits)
    quick = csv_file._proved_rows(text)
    if quick is not None:
        slow = csv_strict.read_rows(Path("any"), text, 1, column_names())
        assert np.array_equal(quick, slow)
