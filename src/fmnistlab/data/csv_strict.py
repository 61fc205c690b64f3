"""What a legal Fashion-MNIST CSV file is, line by line, in plain Python.

This is the specification. `csv_file` has a faster way for text in its simplest form, and a test
holds it to this one. A cell is one of 256 texts, with or without quotes around it: nothing is
converted, so nothing can be converted leniently.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fmnistlab.data.csv_faults import MAX_LINE_BYTES, cell_fault, header_fault, line_fault
from fmnistlab.data.schema import NUM_CLASSES, PIXEL_MAX, PIXELS
from fmnistlab.errors import DataFormatError
from fmnistlab.shapes import UInt8

_PLAIN = {str(value).encode(): value for value in range(PIXEL_MAX + 1)}
_PIXEL_TEXTS = _PLAIN | {b'"%s"' % text: value for text, value in _PLAIN.items()}
_LABEL_TEXTS = {text: value for text, value in _PIXEL_TEXTS.items() if value < NUM_CLASSES}


def column_names(first_pixel: int = 1) -> tuple[str, ...]:
    """Returns label, pixel1, ..., pixel784 or, if `first_pixel` is 0, label, pixel0, ..."""
    return ("label", *(f"pixel{number}" for number in range(first_pixel, first_pixel + PIXELS)))


def read_header(path: Path, line: bytes) -> tuple[str, ...] | None:
    r"""Returns the names of the columns if the first line has them, None if it is a row.

    Args:
        path: the file, for the message.
        line: the first line, without the line end.

    Raises:
        DataFormatError: it is neither; the message says which column is wrong.
    """
    if not line or len(line) > MAX_LINE_BYTES:
        raise _row_fault(path, 1, line, column_names())
    cells = line.split(b",")
    # A row with a few bad cells is a bad row, not a header.
    if 2 * sum(cell in _PIXEL_TEXTS for cell in cells) > len(cells):
        return None
    bare = [cell[1:-1] if cell[:1] == cell[-1:] == b'"' else cell for cell in cells]
    for first_pixel in (1, 0):
        names = column_names(first_pixel)
        if bare == [name.encode() for name in names]:
            return names
    raise header_fault(path, bare)


def read_rows(
    path: Path, text: bytes, first_line: int, names: tuple[str, ...]
) -> UInt8[np.ndarray, "rows 785"]:
    r"""Reads lines, each of which must be a legal row.

    Args:
        path: the file, for the message.
        text: whole lines; each ends in \n or \r\n.
        first_line: number of the first of them in the file, from 1.
        names: the names of the columns, for the message.

    Returns:
        Label and pixels of each row, uint8.

    Raises:
        DataFormatError: a line is no legal row; the message names line, column and value.
    """
    rows = bytearray()
    for number, ended in enumerate(text.removesuffix(b"\n").split(b"\n"), first_line):
        line = ended.removesuffix(b"\r")
        row = _read_row(line)
        if row is None:
            raise _row_fault(path, number, line, names)
        rows += row
    return np.frombuffer(rows, np.uint8).reshape(-1, PIXELS + 1)


def _read_row(line: bytes) -> bytes | None:
    """Returns label and pixels as 785 bytes, or None if the line is no legal row."""
    if len(line) > MAX_LINE_BYTES:
        return None
    label, *pixels = line.split(b",")
    if len(pixels) != PIXELS:
        return None
    try:
        return bytes((_LABEL_TEXTS[label], *map(_PIXEL_TEXTS.__getitem__, pixels)))
    except KeyError:
        return None


def _row_fault(path: Path, number: int, line: bytes, names: tuple[str, ...]) -> DataFormatError:
    fault = line_fault(path, number, line, names)
    if fault is not None:
        return fault
    legal = (_LABEL_TEXTS, *([_PIXEL_TEXTS] * PIXELS))
    cells = line.split(b",")
    position = next(i for i, cell in enumerate(cells) if cell not in legal[i])
    return cell_fault(path, number, names[position], cells[position])
