"""The lock of a cached file, and what killed processes left beside that file."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fmnistlab.data.cache_trust import check_file, make_folder, owner_fault
from fmnistlab.foundation.logger import get_logger

LOCK_SECONDS: Final = 60.0
"""How long to wait for another process that reads the same source; the real data takes about 5."""

LEFTOVER_SECONDS: Final = 600.0
"""Age from which a temporary file belongs to a process that no longer lives, 10 minutes.

Who holds the lock is the only writer, unless locks do nothing there; a writer that lives writes
again within seconds.
"""

_LOCK_MODE = 0o600  # who cannot open the file cannot make others wait for it

logger: Final = get_logger(__name__)


@contextlib.contextmanager
def lock_held(entry: Path) -> Iterator[bool]:
    """Holds the lock of a cached file, or does without if that fails or takes too long.

    The file beside the entry that the lock needs is empty and stays there.

    Yields:
        Whether the lock is held.
    """
    import filelock  # noqa: PLC0415 - slow to import; not needed when the cache knows the file

    path = entry.with_suffix(".lock")
    lock = filelock.FileLock(path, timeout=LOCK_SECONDS, mode=_LOCK_MODE)
    held = False
    try:
        make_folder(entry.parent)
        _check_lock_file(path)
        lock.acquire()
        held = True
    except (OSError, RuntimeError) as error:  # RuntimeError: the file system knows no locks
        logger.debug("%s: goes on without a lock: %s", entry, error)
    try:
        yield held
    finally:
        try:
            lock.release()
        except (OSError, RuntimeError) as error:  # it ends with the process at the latest
            logger.debug("%s: the lock cannot be released: %s", entry, error)


def _check_lock_file(path: Path) -> None:
    """Refuses what must not be opened or emptied, as some versions of filelock do."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return
    check_file(path, facts)
    if facts.st_nlink > 1:
        raise PermissionError(errno.EPERM, "it has another name elsewhere", os.fspath(path))


def remove_leftovers(entry: Path) -> None:
    """Removes temporary files of `entry` that killed processes left; call it with the lock held.

    Only names that `write_atomically` gives for this entry are looked at, and only regular files of
    this user or root that are older than `LEFTOVER_SECONDS` are removed.
    """
    ours = re.compile(rf"\.{re.escape(entry.name)}\.[a-z0-9_]{{8}}\.tmp")
    newest = time.time() - LEFTOVER_SECONDS
    try:
        for path in entry.parent.iterdir():
            if ours.fullmatch(path.name) and _is_leftover(path.lstat(), newest):
                path.unlink(missing_ok=True)
    except OSError as error:  # they take room, but harm nothing
        logger.debug("%s: a temporary file beside it cannot be removed: %s", entry, error)


def _is_leftover(facts: os.stat_result, newest: float) -> bool:
    regular = stat.S_ISREG(facts.st_mode)
    return regular and facts.st_mtime < newest and owner_fault(facts) is None
