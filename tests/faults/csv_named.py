"""39 ways to spoil a CSV file, and 5 that change nothing."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tests.faults.score import Drill, Score
from tests.faults.small_csv import NAMES, cells_of, make_rows, same, table_of, text_of, told

from fmnistlab.data.content_hash import fingerprint
from fmnistlab.data.csv_file import FashionTable
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.errors import DataFormatError

ROWS = 12


class Place(NamedTuple):
    """Where the fault is put: a line of the file from 2, and a column from 1 to 784."""

    line: int
    column: int


Lines = list[list[str]]
Spoil = Callable[[Lines, Place], str | bytes]


class Case(NamedTuple):
    """One file.

    Attributes:
        spoil: makes its text from the cells of a good file.
        line: number of the line that the error must name; "place" for that of the place.
        column: name of the column that the error must name; "place" as above.
    """

    spoil: Spoil
    line: int | str | None = None
    column: str | None = None


def _cell(text: str) -> Case:
    """Another text in one pixel."""

    def spoil(lines: Lines, place: Place) -> str:
        lines[place.line - 1][place.column] = text
        return text_of(lines)

    return Case(spoil, "place", "place")


def _label(text: str) -> Case:
    def spoil(lines: Lines, place: Place) -> str:
        lines[place.line - 1][0] = text
        return text_of(lines)

    return Case(spoil, "place", "label")


def _lines(
    change: Callable[[Lines, Place], object], line: int | str | None, column: str | None = None
) -> Case:
    """A change of the list of lines."""

    def spoil(lines: Lines, place: Place) -> str:
        change(lines, place)
        return text_of(lines)

    return Case(spoil, line, column)


def _whole(spoil: Spoil, line: int | str | None = None, column: str | None = None) -> Case:
    return Case(spoil, line, column)


def _label_last(lines: Lines, place: Place) -> None:
    for cells in lines:
        cells.append(cells.pop(0))


def _swap_names(lines: Lines, place: Place) -> None:
    lines[0][1], lines[0][2] = lines[0][2], lines[0][1]


def _repeat_name(lines: Lines, place: Place) -> None:
    lines[0][784] = "pixel1"


def _drop_column(lines: Lines, place: Place) -> None:
    for cells in lines:
        cells.pop()


def _add_column(lines: Lines, place: Place) -> None:
    for number, cells in enumerate(lines):
        cells.append("0" if number else "pixel785")


def _add_index(lines: Lines, place: Place) -> None:
    for number, cells in enumerate(lines):
        cells.insert(0, str(number - 1) if number else "")


def _swap_labels(lines: Lines, place: Place) -> str:
    other = next(cells for cells in lines[1:] if cells[0] != lines[place.line - 1][0])
    other[0], lines[place.line - 1][0] = lines[place.line - 1][0], other[0]
    return text_of(lines)


def _change_digit(lines: Lines, place: Place) -> str:
    before = lines[place.line - 1][place.column]
    lines[place.line - 1][place.column] = before[:-1] + ("1" if before[-1] == "0" else "0")
    return text_of(lines)


HARMLESS: dict[str, Spoil] = {
    "line ends of Windows": lambda lines, place: text_of(lines, end="\r\n"),
    "every cell quoted": lambda lines, place: text_of(
        [[f'"{cell}"' for cell in cells] for cells in lines]
    ),
    "a byte order mark": lambda lines, place: "\ufeff" + text_of(lines),
    "blank lines at the end": lambda lines, place: text_of(lines) + "\n\n\n",
    "no line end at the end": lambda lines, place: text_of(lines)[:-1],
}

REFUSED: dict[str, Case] = {
    "pixel 256": _cell("256"),
    "pixel -1": _cell("-1"),
    "pixel 65536": _cell("65536"),
    "empty field": _cell(""),
    "NaN": _cell("NaN"),
    "inf": _cell("inf"),
    "1e2": _cell("1e2"),
    "1.0": _cell("1.0"),
    "1_0": _cell("1_0"),
    "0x10": _cell("0x10"),
    "+1": _cell("+1"),
    "leading zero": _cell("007"),
    "space in a cell": _cell(" 1"),
    "Arabic digits": _cell("\u0661\u0662"),
    "NUL byte": _cell("1\0"),
    "unbalanced quote": _cell('"1'),
    "label 10": _label("10"),
    "label -1": _label("-1"),
    "label 300": _label("300"),
    "class name as label": _label("Sneaker"),
    "label column last": _lines(_label_last, 1, "label"),
    "pixel columns permuted": _lines(_swap_names, 1, "pixel1"),
    "duplicate column name": _lines(_repeat_name, 1, "pixel784"),
    "column missing": _lines(_drop_column, 1, "pixel784"),
    "column too many": _lines(_add_column, 1, "column 786"),
    "index column": _lines(_add_index, 1, "label"),
    "short row": _lines(lambda lines, place: lines[place.line - 1].pop(), "place"),
    "trailing comma": _lines(
        lambda lines, place: lines[place.line - 1].append(""), "place", "column 786"
    ),
    "blank line inside": _lines(lambda lines, place: lines.insert(place.line - 1, []), "place"),
    "comment line": _lines(lambda lines, place: lines.insert(place.line - 1, ["# no"]), "place"),
    "second header": _lines(
        lambda lines, place: lines.insert(place.line - 1, [*NAMES]), "place", "label"
    ),
    "semicolons": _whole(lambda lines, place: text_of(lines, between=";"), 1),
    "UTF-16": _whole(lambda lines, place: text_of(lines).encode("utf-16")),
    "cut inside a row": _whole(lambda lines, place: text_of(lines)[:-700], ROWS + 1),
    "empty file": _whole(lambda lines, place: ""),
}
"""Strict reading alone must refuse these."""

INVISIBLE: dict[str, Spoil] = {
    "rows missing": lambda lines, place: text_of(lines[: place.line - 1] + lines[place.line :]),
    "cut inside the last number": lambda lines, place: text_of(lines)[:-2],
    "one digit changed": _change_digit,
    "labels swapped": _swap_labels,
}
"""Legal text: only `expect` can see these."""


def run(trials: int, seed: int) -> Score:
    """Makes each file once, at a place that depends on the seed; `trials` only shortens it."""
    score = Score()
    rows = make_rows(ROWS, seed)
    whole = table_of(rows)
    expect = fingerprint(whole.images, whole.labels)
    names = [*HARMLESS, *REFUSED, *INVISIBLE][:trials]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.csv")
        for name in names:
            chooser = random.Random(f"{seed} {name}")
            # Neither the first row nor the last: there a fault may be of another kind.
            place = Place(chooser.randint(3, ROWS), chooser.randint(1, 784))
            path.write_bytes(_content(name, rows, place))
            found = _judge(name, path, place, whole, expect)
            score.count(good=not found, trial=f"{name} (seed {seed}, {place}): {found}")
    return score


def _content(name: str, rows: np.ndarray, place: Place) -> bytes:
    spoil = REFUSED[name].spoil if name in REFUSED else (HARMLESS | INVISIBLE)[name]
    content = spoil(cells_of(rows), place)
    return content.encode() if isinstance(content, str) else content


def _judge(name: str, path: Path, place: Place, whole: FashionTable, expect: str) -> str:
    """Returns what is wrong with how the file was taken, or ""."""
    plain, expected = _read(path, None), _read(path, expect)
    if name in HARMLESS:
        good = all(
            isinstance(found, FashionTable) and same(found, whole) for found in (plain, expected)
        )
        return "" if good else f"was not read as it is: {told(plain)}; {told(expected)}"
    if name in INVISIBLE:
        if not isinstance(plain, FashionTable) or same(plain, whole):
            return f"should be legal and another: {told(plain)}"
        noticed = (
            isinstance(expected, DataFormatError) and "not what was expected" in expected.reason
        )
        return "" if noticed else f"was not noticed: {told(expected)}"
    case = REFUSED[name]
    line = place.line if case.line == "place" else case.line
    column = NAMES[place.column] if case.column == "place" else case.column
    for found in (plain, expected):
        if not isinstance(found, DataFormatError):
            return f"was accepted, or failed otherwise: {told(found)}"
        if (found.path, found.line, found.column) != (str(path), line, column):
            return f"is at line {line}, column {column}, but was found elsewhere: {found}"
    return ""


def _read(path: Path, expect: str | None) -> FashionTable | Exception:
    try:
        data = FashionMNISTCSV(path, expect=expect, cache=False)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
        return error
    return FashionTable(data.data.numpy(), data.targets.to(torch.uint8).numpy())


DRILL = Drill("39 named CSV faults are refused or noticed, 5 harmless variants read", run, 44, 44)
