"""One cached file: a safetensors file with the arrays of a CSV file and where they came from.

Nothing in it is believed because it is there. The header must be byte for byte what would be
written here for the facts in it, the arrays must be as long as it says and legal as those of a CSV
file are, and a SHA-256 over all of it must be right.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from fmnistlab.data.cache_trust import ENTRY_MODE, clear_place, make_folder, open_trusted
from fmnistlab.data.csv_file import FashionTable
from fmnistlab.data.schema import IMAGE_SIZE, NUM_CLASSES, PIXELS
from fmnistlab.foundation.atomic_file import write_atomically

FORMAT_VERSION: Final = 1
"""Rises whenever older files can no longer be used."""

_FORMAT = "fmnistlab.table"
_HASH_BLOCK = 2**22
_MAX_HEADER_BYTES = 2**16

_NUMBER = r"0|-?[1-9][0-9]{0,19}"
_HASH = r"[0-9a-f]{64}"
_FACTS = {  # every fact that a header has, in order, and what it looks like
    "source": r"(?s:.+)",
    "source_size": _NUMBER,
    "source_modified_ns": _NUMBER,
    "source_changed_ns": _NUMBER,
    "source_inode": _NUMBER,
    "format": re.escape(_FORMAT),
    "version": _NUMBER,
    "rows": r"[1-9][0-9]{0,11}",
    "settled": r"true|false",
    "source_sha256": _HASH,
    "sha256": _HASH,
}


class UnusableError(Exception):
    """A cached file is missing, damaged, foreign, outdated, or of another version."""


def store(path: Path, table: FashionTable, facts: dict[str, str]) -> None:
    """Writes a cached file, whole or not at all; its folder is made if it is missing.

    Args:
        path: the file; an old one is replaced, and so is a link.
        table: what the source holds.
        facts: "source", "source_size", "source_modified_ns", "source_changed_ns", "source_inode",
            "settled" and "source_sha256"; `load` returns them.

    Raises:
        OSError: the folder is read-only, full or not to be trusted, or there is something else than
            a file at `path`.
    """
    facts = {
        **facts,
        "format": _FORMAT,
        "version": str(FORMAT_VERSION),
        "rows": str(len(table.labels)),
    }
    header = _header({**facts, "sha256": _digest(facts, _blocks(table))})
    make_folder(path.parent)
    clear_place(path)
    with write_atomically(path, mode=ENTRY_MODE) as stream:
        stream.write(header)
        stream.write(table.images.data)
        stream.write(table.labels.data)


def load(path: Path, max_bytes: int) -> tuple[FashionTable, dict[str, str]]:
    """Reads a cached file, and believes it only if it is whole, legal and this user's or root's.

    The arrays are copied into memory before they are checked, so whatever happens to the file
    afterwards does not change them.

    Args:
        path: the file.
        max_bytes: most bytes that the arrays may have.

    Returns:
        The table, at least one row, and the facts recorded with it.

    Raises:
        UnusableError: it cannot be believed.
    """
    try:
        with open_trusted(path) as stream:
            return _read(stream, max_bytes)
    except OSError as error:
        raise UnusableError(f"it cannot be opened: {error.strerror or error}") from error


def _read(stream: BinaryIO, max_bytes: int) -> tuple[FashionTable, dict[str, str]]:
    length = int.from_bytes(stream.read(8), "little")
    if length > _MAX_HEADER_BYTES:
        raise UnusableError("it is not one of our files")
    facts = _parsed(length.to_bytes(8, "little") + stream.read(length))
    digest = facts.pop("sha256")
    rows = int(facts["rows"])
    wanted = rows * (PIXELS + 1)
    if os.fstat(stream.fileno()).st_size != 8 + length + wanted:
        raise UnusableError("it is cut off or has grown")
    if wanted > max_bytes:  # before the memory is taken
        raise UnusableError("it holds more than its source can")
    images = np.empty((rows, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    labels = np.empty(rows, np.uint8)
    table = FashionTable(images, labels)
    if _digest(facts, _filled(_blocks(table), stream)) != digest:
        raise UnusableError("it is damaged")
    if int(labels.max()) >= NUM_CLASSES:
        raise UnusableError(f"it holds the label {labels.max()}, which no source can")
    return table, facts


def _parsed(header: bytes) -> dict[str, str]:
    """Returns the facts in a header that is exactly as `_header` writes it."""
    try:
        found = json.loads(header[8:])["__metadata__"]
        facts: dict[str, str] = {name: found[name] for name in _FACTS}
        odd = [name for name, form in _FACTS.items() if not re.fullmatch(form, facts[name])]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnusableError(f"its header cannot be read: {error!r}") from error
    if odd:
        raise UnusableError(f"its header has no legal {', '.join(odd)}")
    if facts["version"] != str(FORMAT_VERSION):
        raise UnusableError("it is of another version")
    if _header(facts) != header:
        raise UnusableError("its header is not as we write it")
    return facts


def _header(facts: dict[str, str]) -> bytes:
    """Returns the start of the safetensors file: length, then JSON with all that is known."""
    rows = int(facts["rows"])
    middle = rows * PIXELS
    layout = {
        "__metadata__": {name: facts[name] for name in _FACTS},
        "images": {
            "dtype": "U8",
            "shape": [rows, IMAGE_SIZE, IMAGE_SIZE],
            "data_offsets": [0, middle],
        },
        "labels": {"dtype": "U8", "shape": [rows], "data_offsets": [middle, middle + rows]},
    }
    text = json.dumps(layout).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _blocks(table: FashionTable) -> Iterator[np.ndarray]:
    """Yields views of the arrays, images first, in the order of the file."""
    for array in (table.images.reshape(-1), table.labels):
        for start in range(0, len(array), _HASH_BLOCK):
            yield array[start : start + _HASH_BLOCK]


def _filled(blocks: Iterator[np.ndarray], stream: BinaryIO) -> Iterator[np.ndarray]:
    """Yields each block once it has been read into; what is hashed is what was read."""
    for block in blocks:
        if stream.readinto(block) != len(block):  # type: ignore[attr-defined] # typeshed lacks it
            raise UnusableError("it was cut off while it was read")
        yield block


def _digest(facts: dict[str, str], blocks: Iterator[np.ndarray]) -> str:
    """Returns a SHA-256 over the facts and the SHA-256 of each block of the arrays.

    The blocks are hashed in two threads while the next ones are read, because this is most of the
    time that a read takes.
    """
    digest = hashlib.sha256(json.dumps(sorted(facts.items())).encode())
    with ThreadPoolExecutor(2) as pool:
        for part in pool.map(lambda block: hashlib.sha256(block).digest(), blocks):
            digest.update(part)
    return digest.hexdigest()
