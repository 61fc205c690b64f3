r"""Kaggle's CSV form of Fashion-MNIST: one header, then a label and 784 pixels in each line.

Reading is strict: a file is either read exactly or refused with line, column and value. Text in
its simplest form, as `write_csv` writes it, is parsed by pandas, and then proved: the values are
written again and must give the very bytes that were read. Whatever fails that proof goes through
`csv_strict`, which decides.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from fmnistlab.data.containers import ContainerReader, create_container, open_container
from fmnistlab.data.csv_faults import MAX_LINE_BYTES, foreign_content
from fmnistlab.data.csv_strict import column_names, read_header, read_rows
from fmnistlab.data.schema import IMAGE_SIZE, NUM_CLASSES, PIXEL_MAX, PIXELS
from fmnistlab.errors import ConfigurationError, DataFormatError
from fmnistlab.shapes import UInt8

BLOCK_BYTES: Final = 2**21
"""Text that is looked at in one go, 2 MiB: large enough for pandas, small for the memory."""

_MAX_THREADS = 4
_ROWS_PER_WRITE = 2_000
_HEAD_BYTES = 512
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, eq=False)
class FashionTable:
    """The content of one CSV file.

    Attributes:
        images: pixels 0 (black) to 255, uint8 (rows, 28, 28).
        labels: classes 0 to 9, uint8 (rows,).
    """

    images: UInt8[np.ndarray, "rows 28 28"]
    labels: UInt8[np.ndarray, "rows"]


def read_csv(path: str | os.PathLike[str]) -> FashionTable:
    r"""Reads a Fashion-MNIST CSV file, strictly.

    The file may be plain or packed by gzip, xz, bzip2 or zip; its content tells, not its name. The
    first line is a header (label, pixel1..pixel784 or pixel0..pixel783) or a row already. Line
    ends may be \n or \r\n, cells may be quoted, a byte order mark and blank lines at the end are
    ignored. Everything else is an error.

    Args:
        path: the file.

    Returns:
        At least one row, in the order of the file.

    Raises:
        DataFileError: the file is missing, is a folder, or cannot be read.
        DataFormatError: the content breaks the format; the error has path, line, column, value.
    """
    with open_container(path) as container:
        try:
            return _read(container)
        except DataFormatError:
            # Odd text in a damaged container is best explained by the damage.
            container.check_rest()
            raise


def write_csv(
    path: str | os.PathLike[str],
    images: UInt8[np.ndarray, "rows 28 28"],
    labels: UInt8[np.ndarray, "labels"],
) -> None:
    r"""Writes images and labels as Kaggle does: a header, \n line ends, no quotes.

    The file is there whole or not at all, and the same rows give the same bytes.

    Args:
        path: ends in .csv, .gz, .xz, .bz2 or .zip, which also says how to pack it.
        images: pixels 0 to 255, uint8 (rows, 28, 28).
        labels: classes 0 to 9, uint8 (rows,).

    Raises:
        ConfigurationError: another suffix; no rows; another number of labels than of images; a
            label above 9.
        DataFileError: the folder is missing, read-only or full.
    """
    if len(images) == 0 or len(images) != len(labels) or int(labels.max()) >= NUM_CLASSES:
        raise ConfigurationError(
            f"{path}: {len(images)} images and {len(labels)} labels cannot be written. There must "
            f"be at least one image, as many labels as images, and labels from 0 to "
            f"{NUM_CLASSES - 1}."
        )
    with create_container(path) as stream:
        for text in csv_text(images, labels):
            stream.write(text)


def csv_text(
    images: UInt8[np.ndarray, "rows 28 28"], labels: UInt8[np.ndarray, "rows"]
) -> Iterator[bytes]:
    """Yields the text of the CSV file piece by piece: the header, then some rows at a time."""
    yield ",".join(column_names()).encode() + b"\n"
    for start in range(0, len(labels), _ROWS_PER_WRITE):
        part = slice(start, start + _ROWS_PER_WRITE)
        pixels = images[part].reshape(-1, PIXELS)
        yield _text_of(np.column_stack([labels[part], pixels]))


def _read(container: ContainerReader) -> FashionTable:
    path = container.path
    head = container.read(_HEAD_BYTES)
    foreign = foreign_content(path, head)
    if foreign is not None:
        raise foreign
    blocks = _blocks(container, head.removeprefix(_BYTE_ORDER_MARK))
    first = next(blocks, b"")
    if not first:
        raise DataFormatError(path, "is empty; get the file again")
    header, _, body = first.partition(b"\n")
    names = read_header(path, header.removesuffix(b"\r"))
    if names is None:
        names, body, line = column_names(), first, 1
    else:
        line = 2
    text = itertools.chain([body] if body else [], blocks)
    parts = deque(_parse(path, text, line, names))
    if not parts:
        raise DataFormatError(path, "has a header but no rows; get the file again", line=1)
    return _assemble(parts)


def _blocks(container: ContainerReader, head: bytes) -> Iterator[bytes]:
    r"""Yields the text in blocks of whole lines, each line with its \n, the last one too.

    Blank lines at the end of the file are left out, others are not. Of a line without end only as
    much is yielded as it takes to see that it is too long.
    """
    carry = head
    ended = False
    while not ended:
        chunk = container.read(BLOCK_BYTES)
        ended = not chunk
        text = carry + (chunk or b"\n")
        end = text.rfind(b"\n") + 1
        if not text[end:].strip(b"\r"):
            # Blank lines are held back until it is known whether anything follows.
            body = len(text[:end].rstrip(b"\r\n"))
            end = text.find(b"\n", body) + 1 if body else 0
        if end:
            yield text[:end]
        carry = text[end:]
        if len(carry) > MAX_LINE_BYTES and not ended:
            yield carry[: MAX_LINE_BYTES + 1] + b"\n"
            return


def _parse(
    path: Path, blocks: Iterator[bytes], line: int, names: tuple[str, ...]
) -> Iterator[UInt8[np.ndarray, "rows 785"]]:
    """Yields the rows of each block, in order; a few blocks are parsed at the same time."""
    # Here and not in the pool, where it might wait for ever for an import that waits for us.
    import pandas  # noqa: F401, ICN001, PLC0415 - slow; not needed when the cache knows the file

    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        for text, parsed in _submitted(pool, blocks, threads):
            rows = parsed.result()
            if rows is None:
                rows = read_rows(path, text, line, names)
            line += len(rows)
            yield rows


def _submitted(
    pool: ThreadPoolExecutor, blocks: Iterator[bytes], depth: int
) -> Iterator[tuple[bytes, Future[np.ndarray | None]]]:
    waiting: deque[tuple[bytes, Future[np.ndarray | None]]] = deque()
    for text in blocks:
        waiting.append((text, pool.submit(_proved_rows, text)))
        if len(waiting) > depth:
            yield waiting.popleft()
    yield from waiting


def _proved_rows(text: bytes) -> UInt8[np.ndarray, "rows 785"] | None:
    """Returns label and pixels of each line if that is certain, else None.

    Nothing is assumed about the parser, which accepts leading zeros and numbers that wrap: writing
    the values again must give the same text.
    """
    import pandas as pd  # noqa: PLC0415 - see `_parse`

    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    # One long column is parsed faster than 785 short ones; the proof sees to the line ends.
    column = text.translate(_COMMAS_TO_LINE_ENDS)
    if not _is_numbers(column):
        return None
    try:
        frame = pd.read_csv(
            io.BytesIO(column),
            header=None,
            dtype=np.uint8,
            engine="c",
            na_filter=False,
            skip_blank_lines=False,
            quoting=csv.QUOTE_NONE,
        )
    except (ValueError, OverflowError):
        return None
    values = frame.to_numpy().reshape(-1)
    if values.size % (PIXELS + 1):
        return None
    rows = values.reshape(-1, PIXELS + 1)
    if int(rows[:, 0].max()) >= NUM_CLASSES or _text_of(rows) != text:
        return None
    return rows


_COMMAS_TO_LINE_ENDS = bytes.maketrans(b",", b"\n")


def _is_numbers(column: bytes) -> bool:
    """Returns whether each line has at most three digits; pandas never sees anything else."""
    codes = np.frombuffer(column, np.uint8)
    digit = (codes - ord("0")) < 10
    long = digit[3:] & digit[2:-1] & digit[1:-2] & digit[:-3]
    return bool(np.all(digit | (codes == ord("\n")))) and not np.any(long)


def _four_bytes(end: str) -> np.ndarray:
    """Returns each value's text and `end`, filled up with NUL, as one number for each value."""
    texts = [f"{value}{end}".encode().ljust(4, b"\0") for value in range(PIXEL_MAX + 1)]
    return np.frombuffer(b"".join(texts), np.uint32)


_INNER_TEXT = _four_bytes(",")
_LAST_TEXT = _four_bytes("\n")


def _text_of(rows: UInt8[np.ndarray, "rows 785"]) -> bytes:
    """Returns rows as CSV text: one gather of four bytes a cell, then the filling is deleted."""
    cells = _INNER_TEXT[rows]
    cells[:, -1] = _LAST_TEXT[rows[:, -1]]
    filled: bytes = cells.tobytes()
    return filled.translate(None, b"\0")


def _assemble(parts: deque[np.ndarray]) -> FashionTable:
    """Joins the blocks; each is dropped as soon as it is copied, which spares memory."""
    count = sum(map(len, parts))
    images = np.empty((count, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    labels = np.empty(count, np.uint8)
    stop = 0
    while parts:
        rows = parts.popleft()
        start, stop = stop, stop + len(rows)
        labels[start:stop] = rows[:, 0]
        images[start:stop] = rows[:, 1:].reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    return FashionTable(images, labels)
