"""Files that are either whole or not there: write aside, flush to disk, then rename."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_LONGEST_NAME = 200
"""Bytes of a name that a temporary file repeats; file systems allow 255 in all."""


@contextlib.contextmanager
def write_atomically(
    path: str | os.PathLike[str], *, mode: int | None = None
) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` and moves it there when the block succeeds.

    The data is flushed to disk before the rename and the folder after it, so that after a power
    loss either the old or the new file is there, whole. If the block raises, the temporary file
    is removed and `path` stays as it was.

    Args:
        path: the file to write: nothing, or a regular file, which is replaced. Its folder must
            exist.
        mode: the permissions, less what the umask takes away. None: those of the file that is
            replaced, or 0o666 less the umask for a new one.

    Yields:
        A binary file open for writing.

    Raises:
        OSError: the folder is missing, read-only or full, or `path` is a link, a folder, a device
            or a pipe; see `check_replaceable`.
    """
    path = Path(path)
    kept = check_replaceable(path) if mode is None else None
    wanted = 0o666 if mode is None else mode
    temporary = path.with_name(f"{_temporary_prefix(path.name)}{secrets.token_hex(4)}.tmp")
    try:
        handle = os.open(temporary, _NEW_FILE, wanted if kept is None else kept)
    except OSError as error:  # who reads of it knows the file's own name
        reason = error.strerror
        if isinstance(error, FileNotFoundError):
            reason = "the folder that it would be in does not exist"
        raise type(error)(error.errno, reason, os.fspath(path)) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        check_replaceable(path)
        if kept is not None:  # the umask has taken something away
            temporary.chmod(kept)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _flush_folder(path.parent)


_NEW_FILE = (
    os.O_CREAT
    | os.O_EXCL
    | os.O_WRONLY
    | getattr(os, "O_BINARY", 0)  # Windows alone has it
    | getattr(os, "O_CLOEXEC", 0)  # and lacks this one
)


def check_replaceable(path: str | os.PathLike[str]) -> int | None:
    """Checks that a file may be written at `path` without harm to anything that is no file.

    A link is refused, not followed: whoever made it decides what it leads to. Folders on the way
    to `path` may be links.

    Returns:
        The permissions of the regular file that is there, 0 to 0o777, or None if there is nothing.

    Raises:
        OSError: something else is there: a link, a folder, a device, a pipe or a socket.
    """
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return None
    except ValueError as error:  # a NUL character, or half of a surrogate pair
        raise OSError(errno.EINVAL, f"it is no possible name: {error}", os.fspath(path)) from error
    if stat.S_ISLNK(mode):
        reason = "it is a link, which is never written through; name the file that it leads to"
        raise OSError(errno.ELOOP, reason, os.fspath(path))
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder; name a file", os.fspath(path))
    if not stat.S_ISREG(mode):
        reason = "it is no regular file but a device, a pipe or a socket; name another file"
        raise OSError(errno.EINVAL, reason, os.fspath(path))
    return stat.S_IMODE(mode) & 0o777


def remove_temporaries(folder: Path, name: re.Pattern[str]) -> None:
    """Removes what writers left in a folder that were killed, never below it.

    Only call it for a folder that no other process writes to.

    Args:
        folder: where to look.
        name: of the files that were to be written; only temporary files of these are removed.

    Raises:
        OSError: the folder cannot be read, or a file cannot be removed.
    """
    for entry in folder.iterdir():
        if is_temporary(entry.name, name) and stat.S_ISREG(entry.lstat().st_mode):
            entry.unlink(missing_ok=True)


def is_temporary(file: str, name: re.Pattern[str]) -> bool:
    """Returns whether a file has the name that it has while one called `name` is written."""
    found = _TEMPORARY.fullmatch(file)
    return found is not None and name.fullmatch(found["name"]) is not None


_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.tmp", re.DOTALL)


def _temporary_prefix(name: str) -> str:
    return f".{name}." if len(os.fsencode(name)) <= _LONGEST_NAME else ".fmnistlab."


def _flush_folder(folder: Path) -> None:
    """Makes a rename durable; Windows cannot open a folder and needs no such step."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        # Also a folder that may be written to but not listed; the file itself is on the disk.
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
