"""Parsed CSV files kept on disk, so that the second read takes milliseconds.

One file for each source path, in the folder that `cache_folder` names. A cached file is only used
if it is whole and legal (`cache_entry`), cannot have been written by another user (`cache_trust`),
and still belongs to the source: the source's size, times and inode are as they were or, where that
proves nothing, its SHA-256 is. Anything else is rebuilt. If nothing can be written there, reading
works all the same, only slower.

Of many processes that find no usable file, one reads the source and the others wait for it
(`cache_lock`). That only saves work: each cached file is verified by whoever uses it, and appears
whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from fmnistlab.data import cache_entry
from fmnistlab.data.cache_entry import UnusableError
from fmnistlab.data.cache_lock import lock_held, remove_leftovers
from fmnistlab.data.cache_trust import folder_fault
from fmnistlab.data.containers import FREE_EXPANSION, MAX_EXPANSION_RATIO
from fmnistlab.data.csv_file import FashionTable, read_csv
from fmnistlab.errors import DataFileError
from fmnistlab.foundation.logger import get_logger

FOLDER_VARIABLE: Final = "FMNISTLAB_CACHE"
"""Environment variable that names the cache folder; empty or "off" means no cache."""

SETTLING_NS: Final = 2_000_000_000
"""A source younger than this, 2 s, may change again without a change of its times.

File systems keep times in steps of up to 2 s (FAT). Git's index has the same rule.
"""

logger: Final = get_logger(__name__)


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
            resolved = str(Path(path).resolve())
        except (OSError, ValueError, RuntimeError):  # a NUL character, a link that became a loop
            return None
        if not stat.S_ISREG(facts.st_mode):
            return None
        return cls(
            path=resolved,
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

    def max_bytes(self) -> int:
        """Returns how many labels and pixels its text can hold: each takes two bytes or more."""
        return max(FREE_EXPANSION, MAX_EXPANSION_RATIO * self.size) // 2 + 1

    def facts(self) -> dict[str, str]:
        return {
            "source": self.path,
            "source_size": str(self.size),
            "source_modified_ns": str(self.modified_ns),
            "source_changed_ns": str(self.changed_ns),
            "source_inode": str(self.inode),
        }


def cache_folder() -> Path | None:
    """Returns the folder for parsed files, or None if there is to be no cache.

    It is $FMNISTLAB_CACHE if that is set, else the user's cache folder for this platform, such as
    ~/.cache/fmnistlab. It need not exist. None means that the variable is empty or "off", or that
    it is not known where the home folder is.
    """
    value = os.environ.get(FOLDER_VARIABLE)
    try:
        if value is None:
            default = Path(platformdirs.user_cache_dir("fmnistlab", appauthor=False))
            return default if default.is_absolute() else None  # older versions keep the unknown ~
        if value.strip().lower() in ("", "off"):
            return None
        return Path(value).expanduser()
    except RuntimeError as error:  # a user id without a home folder, ~name of no user
        logger.info("there is no cache: %s", error)
        return None


def cached_path(path: str | os.PathLike[str], folder: Path) -> Path:
    """Returns where in `folder` the arrays of the source `path` are kept; it need not exist."""
    name = hashlib.sha256(os.fsencode(Path(path).resolve())).hexdigest()[:32]
    return folder / f"{name}-v{cache_entry.FORMAT_VERSION}.safetensors"


def read_cached(path: str | os.PathLike[str]) -> FashionTable:
    """Reads a CSV file as `read_csv` does, from the cache if that is sure to give the same.

    Args:
        path: the CSV file, plain or packed.

    Returns:
        At least one row. The arrays are the caller's own: they may be written to, and nothing that
        happens to the cached file or to the source afterwards changes them.

    Raises:
        DataFileError: the file is missing, is a folder, or cannot be read.
        DataFormatError: the content breaks the format.
    """
    folder = cache_folder()
    source = _Source.find(path)
    if folder is None or source is None:
        return read_csv(path)  # which can read it, or says what is wrong with it
    fault = folder_fault(folder)
    if fault is not None:
        logger.info("%s: is not used as a cache, so each read is slow: %s", folder, fault)
        return read_csv(path)
    entry = cached_path(source.path, folder)
    with contextlib.suppress(UnusableError):
        return _recall(source, entry)
    with lock_held(entry) as locked:
        # While this process waited, another may have done the work, or the source changed again.
        source = _Source.find(path) or source
        try:
            return _recall(source, entry)
        except UnusableError as reason:
            logger.debug("%s: %s is read instead: %s", entry, path, reason)
        if locked:
            remove_leftovers(entry)
        return _read_and_store(path, source, entry)


def _recall(source: _Source, entry: Path) -> FashionTable:
    """Returns the cached arrays if they are whole and those of the source as it is now."""
    table, recorded = cache_entry.load(entry, source.max_bytes())
    if recorded["settled"] == "true" and source.facts().items() <= recorded.items():
        return table
    if recorded["source_sha256"] != source.sha256():
        raise UnusableError("the source changed")
    if source.settled:  # the next read need not hash the source again
        _store(entry, table, source, recorded["source_sha256"])
    return table


def _read_and_store(path: str | os.PathLike[str], source: _Source, entry: Path) -> FashionTable:
    before = source.sha256()
    table = read_csv(path)
    # If the source changed meanwhile, it is unknown which content was read: store nothing.
    after = _Source.find(path)
    steady = after is not None and after.facts() == source.facts()
    if steady and (source.settled or source.sha256() == before):
        _store(entry, table, source, before)
    return table


def _store(entry: Path, table: FashionTable, source: _Source, source_sha256: str) -> None:
    settled = "true" if source.settled else "false"
    facts = {**source.facts(), "settled": settled, "source_sha256": source_sha256}
    try:
        cache_entry.store(entry, table, facts)
    except OSError as error:
        reason = error.strerror or error
        logger.info("%s: cannot be written, so the next read is slow too: %s", entry, reason)
