"""Names for what is wrong with a line: column, value, reason and what to do.

Nothing here decides what is legal; `csv_strict` does, and asks here about what it refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from fmnistlab.data.schema import NUM_CLASSES, PIXEL_MAX, PIXELS
from fmnistlab.errors import DataFormatError

MAX_LINE_BYTES: Final = 16_384
"""Longest line that is looked at; a row needs 3,923 bytes at most, a quoted header 8,523."""

_COLUMNS: Final = PIXELS + 1

_FOREIGN: Final = (
    (rb"\xff\xfe|\xfe\xff|[^\0]\0[^\0]\0|\0[^\0]\0[^\0]", "looks like UTF-16; save it as UTF-8"),
    (rb"\0\0\x08[\x01\x03]", "looks like an IDX file of the original data set; convert it to CSV"),
    (rb"\s*<", "looks like a web page; download the file itself"),
    (rb"version https://git-lfs", "is a Git LFS pointer; get the content with `git lfs pull`"),
    (rb"\x1f\x8b|\xfd7zXZ|BZh|PK\x03\x04", "is compressed twice; unpack it once"),
    (rb"\x28\xb5\x2f\xfd", "is compressed by zstd; unpack it, or pack it with gzip or xz"),
    (rb"7z\xbc\xaf|Rar!", "is a 7z or rar archive; unpack it, or pack it with gzip, xz or zip"),
    (rb".{257}ustar", "is a tar archive; unpack it"),
    (rb"PAR1|\x93NUMPY|\x89HDF|\x89PNG|\xd0\xcf\x11\xe0", "is not a text file; save it as CSV"),
)
_DELIMITERS: Final = {b";": "semicolons", b"\t": "tabs", b"|": "bars", b" ": "spaces"}


def foreign_content(path: Path, head: bytes) -> DataFormatError | None:
    """Returns an error if the first bytes are known to belong to something else than CSV.

    Args:
        path: the file.
        head: its first bytes, decompressed; 300 are enough.
    """
    for pattern, reason in _FOREIGN:
        if re.match(pattern, head, re.DOTALL):
            return DataFormatError(path, reason)
    return None


def header_fault(path: Path, cells: list[bytes]) -> DataFormatError:
    """Returns the error for a first line that is neither a header nor mostly legal numbers."""
    delimiter = _wrong_delimiter(cells)
    if delimiter is not None:
        return DataFormatError(path, delimiter, line=1)
    names = [_shown(cell) for cell in cells]
    first = 0 if "pixel0" in names else 1
    wanted = ["label", *(f"pixel{number}" for number in range(first, first + PIXELS))]
    pairs = enumerate(zip(names, wanted, strict=False))
    shorter = min(len(names), len(wanted))
    position = next((i for i, (name, want) in pairs if name != want), shorter)
    if position == len(wanted):
        reason = f"is one column too many; {_COLUMNS} are needed, {len(names)} are named"
        column = f"column {position + 1}"
        return DataFormatError(path, reason, line=1, column=column, value=names[position])
    if position == len(names):
        reason = f"is missing: {len(names)} columns are named, {_COLUMNS} are needed"
        return DataFormatError(path, reason, line=1, column=wanted[position])
    why = _first_column_reason if position == 0 else _pixel_column_reason
    reason = why(names, position, wanted[position])
    return DataFormatError(path, reason, line=1, column=wanted[position], value=names[position])


def _first_column_reason(names: list[str], position: int, wanted: str) -> str:
    if names[position] == "" and wanted in names:
        return "stands first: an index column; write the file without it (index=False)"
    if wanted in names:
        return f"stands first, but label is column {names.index(wanted) + 1}; put label first"
    if names[position].strip(' "').lower() == wanted:
        return "must be written label: small letters, no spaces"
    return "stands first, and no column is called label; the first must be, with classes 0 to 9"


def _pixel_column_reason(names: list[str], position: int, wanted: str) -> str:
    if names[position] in names[:position]:
        return f"stands here a second time; {wanted} is expected"
    if wanted not in names:
        return f"stands where {wanted} is expected, and no column has that name"
    return f"is out of order: {wanted} is expected here but is column {names.index(wanted) + 1}"


def line_fault(
    path: Path, number: int, line: bytes, names: tuple[str, ...]
) -> DataFormatError | None:
    """Returns the error if something is wrong with the line as a whole.

    Args:
        path: the file.
        number: number of the line in the file, from 1.
        line: its content without the line end.
        names: the names of the 785 columns.
    """
    if not line:
        return DataFormatError(path, "is blank, but more follows; remove it", line=number)
    if len(line) > MAX_LINE_BYTES:
        reason = f"is longer than {MAX_LINE_BYTES:,} bytes, as no row is; is it the right file?"
        if b"\r" in line:
            reason = r"ends in \r alone, as on old Macs; save the file with \n line ends"
        return DataFormatError(path, reason, line=number)
    cells = line.split(b",")
    if len(cells) == _COLUMNS:
        return None
    # A cell may only seem to be two because a quote was never closed.
    for position, cell in enumerate(cells):
        if cell.count(b'"') % 2:
            return cell_fault(path, number, _name(names, position), cell)
    if len(cells) > _COLUMNS:
        extra = _shown(cells[_COLUMNS])
        reason = f"is one cell too many: the line has {len(cells)} cells instead of {_COLUMNS}"
        if not extra:
            reason += "; remove the comma at its end"
        column = _name(names, _COLUMNS)
        return DataFormatError(path, reason, line=number, column=column, value=extra)
    reason = f"has {len(cells)} cells instead of {_COLUMNS}; if it is the last, the file is cut off"
    return DataFormatError(path, _wrong_delimiter(cells) or reason, line=number)


def cell_fault(path: Path, number: int, column: str, cell: bytes) -> DataFormatError:
    """Returns the error for one cell that is no legal label or pixel.

    Args:
        path: the file.
        number: number of the line in the file, from 1.
        column: name of the column; "label" has another range than the pixels.
        cell: the bytes between the commas.
    """
    reason = _cell_reason(cell, is_label=column == "label")
    return DataFormatError(path, reason, line=number, column=column, value=_shown(cell))


def _cell_reason(cell: bytes, *, is_label: bool) -> str:
    bare = cell[1:-1] if re.fullmatch(rb'".*"', cell, re.DOTALL) else cell
    bounds = f"labels go from 0 to {NUM_CLASSES - 1}"
    if not is_label:
        bounds = f"pixels go from 0 to {PIXEL_MAX}"
    reasons = (
        (rb"\s*", f"is empty; {bounds}"),
        (rb".*\0.*", "holds a NUL byte; the file is damaged or no text"),
        (rb'.*".*', "has a quote in the wrong place or without its partner"),
        (rb"label", "starts a second header; remove this line"),
        (rb"\s.*|.*\s", "has a space or control character around the number; remove it"),
        (rb"0+\d+", "has leading zeros; remove them"),
        (rb"\d+", f"is too large: {bounds}"),
        (rb"-\d+", f"is negative: {bounds}"),
        (rb"\+\d+", "has a plus sign; remove it"),
        (rb"[+-]?(\d+\.\d*|\.\d+|\d+(?=e))(e[+-]?\d+)?", "must be written as a whole number"),
        (rb"[+-]?(nan|na|n/a|null|none|inf|infinity)", f"is not a number; {bounds}"),
    )
    for pattern, reason in reasons:
        if re.fullmatch(pattern, bare, re.DOTALL | re.IGNORECASE):
            return reason
    return f"is not a whole number in the digits 0 to 9; {bounds}"


def _wrong_delimiter(cells: list[bytes]) -> str | None:
    """Returns what to do if a line is in one piece because it is cut by something else."""
    if len(cells) > 2:
        return None
    for delimiter, plural in _DELIMITERS.items():
        if b",".join(cells).count(delimiter) >= PIXELS // 2:
            return f"has {plural} between the cells; write the file with commas"
    return None


def _name(names: tuple[str, ...], position: int) -> str:
    return names[position] if position < len(names) else f"column {position + 1}"


def _shown(cell: bytes) -> str:
    return cell[:200].decode("utf-8", "backslashreplace")
