"""Parsed CSV files kept on disk, so that the second read takes milliseconds.

One safetensors file for each source path, in the folder that `cache_folder` names. A cached file is
only used if it is whole (SHA-256 over everything in it) and still belongs to the source: the
source's size, times and inode are as they were or, where that proves nothing, its SHA-256 is.
Anything else is rebuilt. If nothing can be written there, reading works all the same, only slower.

Of many processes that find no usable file, one reads the source and the others wait for it. That
only saves work: each cached file is verified by whoever uses it, and appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import platformdirs

from fmnistlab.atomic_file import write_atomically
from fmnistlab.data.csv_file import FashionTable, read_csv
from fmnistlab.data.schema import IMAGE_SIZE, PIXELS
from fmnistlab.errors import DataFileError
from fmnistlab.logger import get_logger

FOLDER_VARIABLE: Final = "FMNISTLAB_CACHE"
"""Environment variable that names the cache folder; empty or "off" means no cache."""

FORMAT_VERSION: Final = 1
"""Rises whenever older files can no longer be used."""

SETTLING_NS: Final = 2_000_000_000
"""A source younger than this, 2 s, may change again without a change of its times.

File systems keep times in steps of up to 2 s (FAT). Git's index has the same rule.
"""

LOCK_SECONDS: Final = 60.0
"""How long to wait for another process that reads the same source; the real data takes about 5."""

_HASH_BLOCK = 2**22
_MAX_HEADER_BYTES = 2**16

logger: Final = get_logger(__name__)


class _UnusableError(Exception):
    """A cached file is missing, damaged, foreign, outdated, or of another version."""


@dataclass(frozen=True)
class _Source:
    """A source file as the file system describes it.

    The device number is left out: it differs between the machines that share a network folder.
    """

    path: str
    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    settled: bool

    @classmethod
    def find(cls, path: str | os.PathLike[str]) -> _Source | None:
        """Returns the source, or None if `path` is no regular file."""
        now = time.time_ns()
        try:
            facts = Path(path).stat()
        except (OSError, ValueError):  # ValueError: a NUL character in the name
            return None
        if not stat.S_ISREG(facts.st_mode):
            return None
        return cls(
            path=str(Path(path).resolve()),
            size=facts.st_size,
            modified_ns=facts.st_mtime_ns,
            changed_ns=facts.st_ctime_ns,
            inode=facts.st_ino,
            settled=max(facts.st_mtime_ns, facts.st_ctime_ns) < now - SETTLING_NS,
        )

    def sha256(self) -> str:
        try:
            with Path(self.path).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DataFileError(f"{self.path}: cannot be read: {error.strerror}.") from error

    def facts(self) -> dict[str, str]:
        return {
            "source": self.path,
            "source_size": str(self.size),
            "source_modified_ns": str(self.modified_ns),
            "source_changed_ns": str(self.changed_ns),
            "source_inode": str(self.inode),
        }


def cache_folder() -> Path | None:
    """Returns the folder for parsed files, or None if the cache is switched off.

    It is $FMNISTLAB_CACHE if that is set, else the user's cache folder for this platform, such as
    ~/.cache/fmnistlab. It need not exist.
    """
    value = os.environ.get(FOLDER_VARIABLE)
    if value is None:
        return Path(platformdirs.user_cache_dir("fmnistlab", appauthor=False))
    if value.strip().lower() in ("", "off"):
        return None
    return Path(value).expanduser()


def cached_path(path: str | os.PathLike[str], folder: Path) -> Path:
    """Returns where in `folder` the arrays of the source `path` are kept; it need not exist."""
    name = hashlib.sha256(os.fsencode(Path(path).resolve())).hexdigest()[:32]
    return folder / f"{name}-v{FORMAT_VERSION}.safetensors"


def read_cached(path: str | os.PathLike[str]) -> FashionTable:
    """Reads a CSV file as `read_csv` does, from the cache if that is sure to give the same.

    Args:
        path: the CSV file, plain or packed.

    Returns:
        At least one row. Arrays from the cache are mapped into memory copy-on-write: they may be
        written to, and the file stays as it is.

    Raises:
        DataFileError: the file is missing, is a folder, or cannot be read.
        DataFormatError: the content breaks the format.
    """
    folder = cache_folder()
    source = _Source.find(path)
    if folder is None or source is None:
        return read_csv(path)  # which can read it, or says what is wrong with it
    entry = cached_path(path, folder)
    with contextlib.suppress(_UnusableError):
        return _recall(source, entry)
    with _lock_held(entry):
        # While this process waited, another may have done the work, or the source changed again.
        source = _Source.find(path) or source
        try:
            return _recall(source, entry)
        except _UnusableError as reason:
            logger.debug("%s: %s is read instead: %s", entry, path, reason)
        return _read_and_store(path, source, entry)


def _recall(source: _Source, entry: Path) -> FashionTable:
    """Returns the cached arrays if they are whole and those of the source as it is now."""
    try:
        table, recorded = _load(entry)
    except OSError as error:
        raise _UnusableError(f"it cannot be opened: {error.strerror}") from error
    if recorded["settled"] == "true" and source.facts().items() <= recorded.items():
        return table
    if recorded["source_sha256"] != source.sha256():
        raise _UnusableError("the source changed")
    if source.settled:  # the next read need not hash the source again
        _store(entry, table, source, recorded["source_sha256"])
    return table


@contextlib.contextmanager
def _lock_held(entry: Path) -> Iterator[None]:
    """Holds the lock of a cached file, or does without if that fails or takes too long.

    The file beside the entry that the lock needs is empty and stays there.
    """
    import filelock  # noqa: PLC0415 - slow to import; not needed when the cache knows the file

    lock = filelock.FileLock(entry.with_suffix(".lock"), timeout=LOCK_SECONDS)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, RuntimeError) as error:  # RuntimeError: the file system knows no locks
        logger.debug("%s: goes on without a lock: %s", entry, error)
    try:
        yield
    finally:
        try:
            lock.release()
        except (OSError, RuntimeError) as error:  # it ends with the process at the latest
            logger.debug("%s: the lock cannot be released: %s", entry, error)


def _read_and_store(path: str | os.PathLike[str], source: _Source, entry: Path) -> FashionTable:
    before = source.sha256()
    table = read_csv(path)
    # If the source changed meanwhile, nobody knows which content was read: remember nothing.
    after = _Source.find(path)
    steady = after is not None and after.facts() == source.facts()
    if steady and (source.settled or source.sha256() == before):
        _store(entry, table, source, before)
    return table


def _store(entry: Path, table: FashionTable, source: _Source, source_sha256: str) -> None:
    facts = source.facts() | {
        "format": "fmnistlab.table",
        "version": str(FORMAT_VERSION),
        "rows": str(len(table.labels)),
        "settled": "true" if source.settled else "false",
        "source_sha256": source_sha256,
    }
    header = _header(facts | {"sha256": _digest(facts, table)})
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(entry) as stream:
            stream.write(header)
            stream.write(table.images.data)
            stream.write(table.labels.data)
    except OSError as error:
        logger.info("%s: cannot be written, so the next read is slow too: %s", entry, error)


def _load(entry: Path) -> tuple[FashionTable, dict[str, str]]:
    """Returns the arrays, mapped into memory, and the facts recorded with them."""
    with entry.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > _MAX_HEADER_BYTES:
            raise _UnusableError("it is not one of our files")
        header = stream.read(length)
        try:
            facts = json.loads(header)["__metadata__"]
            rows = int(facts["rows"])
            # Nothing in the header is believed that we would not have written.
            if _header(facts) != length.to_bytes(8, "little") + header:
                raise _UnusableError("its header is not as we write it")
            digest = facts.pop("sha256")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _UnusableError(f"its header cannot be read: {error!r}") from error
        start = 8 + length
        if rows < 1 or os.fstat(stream.fileno()).st_size != start + rows * (PIXELS + 1):
            raise _UnusableError("it is cut off or has grown")
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    images = np.frombuffer(content, np.uint8, rows * PIXELS, start)
    labels = np.frombuffer(content, np.uint8, rows, start + rows * PIXELS)
    table = FashionTable(images.reshape(rows, IMAGE_SIZE, IMAGE_SIZE), labels)
    if facts.get("version") != str(FORMAT_VERSION) or _digest(facts, table) != digest:
        raise _UnusableError("it is damaged, or of another version")
    return table, facts


def _header(facts: dict[str, str]) -> bytes:
    """Returns the start of the safetensors file: length, then JSON with all that is known."""
    rows = int(facts["rows"])
    middle = rows * PIXELS
    layout = {
        "__metadata__": facts,
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


def _digest(facts: dict[str, str], table: FashionTable) -> str:
    """Returns a SHA-256 over the facts and the SHA-256 of each block of the arrays.

    The blocks are hashed in two threads, because this is most of the time that a read takes.
    """
    blocks = [
        array[start : start + _HASH_BLOCK]
        for array in (table.images.reshape(-1), table.labels)
        for start in range(0, len(array), _HASH_BLOCK)
    ]
    digest = hashlib.sha256(json.dumps(sorted(facts.items())).encode())
    with ThreadPoolExecutor(2) as pool:
        for part in pool.map(lambda block: hashlib.sha256(block).digest(), blocks):
            digest.update(part)
    return digest.hexdigest()
