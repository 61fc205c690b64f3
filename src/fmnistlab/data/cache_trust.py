"""Which files and folders the cache uses: those that no other user can have written.

A file is used if it is a regular one, belongs to this user or to root, and only its owner may write
it. A folder is used if it belongs to this user or to root, and is not writable by everyone unless
it is sticky, as /tmp is. Members of a folder's group may be able to remove what is in it; what they
put there belongs to them and is not used. Windows keeps other users out by access control lists,
which the modes and owners seen here do not show, so there only the kind of a file is looked at.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from fmnistlab.foundation.regular_file import NO_LINK, OPEN_FLAGS

FOLDER_MODE: Final = 0o700
"""Mode of the folders that are made here."""

ENTRY_MODE: Final = 0o644
"""Mode of the files that are written here, less what the umask takes away.

Never writable by a group, whatever the umask: such files would not be used. Readable by others, so
that root can fill a folder for all.
"""

_ROOT = 0
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_trusted(path: Path) -> BinaryIO:
    """Opens a file for reading, at once, without following a link at the end of its path.

    Raises:
        OSError: it is missing, cannot be opened, is no regular file, or may have been written by
            another user; `strerror` says which.
    """
    check_file(path, path.lstat())  # before it is opened, which already acts on some devices
    descriptor = os.open(path, OPEN_FLAGS | NO_LINK)
    try:
        check_file(path, os.fstat(descriptor))  # it may be another one by now
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_file(path: Path, facts: os.stat_result) -> None:
    """Checks kind, owner and mode of a file.

    Raises:
        PermissionError: another user may have written it, or it is no regular file.
    """
    fault = _kind_fault(facts) or owner_fault(facts)
    if fault is None and _owners() is not None and facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        fault = f"it is writable by others than its owner (mode {stat.S_IMODE(facts.st_mode):o})"
    if fault is not None:
        raise PermissionError(errno.EPERM, fault, os.fspath(path))


def owner_fault(facts: os.stat_result) -> str | None:
    """Returns why the owner of a file or folder is not trusted, or None if it is."""
    owners = _owners()
    if owners is None or facts.st_uid in owners:
        return None
    return f"it belongs to another user (id {facts.st_uid})"


def folder_fault(folder: Path) -> str | None:
    """Returns why a folder cannot serve as the cache, or None if it can or does not exist yet."""
    try:
        facts = folder.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISDIR(facts.st_mode):
        return "it is no folder"
    open_to_all = facts.st_mode & stat.S_IWOTH and not facts.st_mode & stat.S_ISVTX
    if _owners() is not None and open_to_all:
        return f"everyone may change it (mode {stat.S_IMODE(facts.st_mode):o}); use chmod o-w"
    return owner_fault(facts)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it that are missing, each for this user alone.

    Folders that exist keep their modes.

    Raises:
        OSError: it cannot be made, or is none that can be used.
    """
    missing = []
    for part in (folder, *folder.parents):
        if part.exists():
            break
        missing.append(part)
    for part in reversed(missing):
        part.mkdir(FOLDER_MODE, exist_ok=True)
    fault = folder_fault(folder)  # another process may have been quicker
    if fault is not None:
        raise PermissionError(errno.EPERM, fault, os.fspath(folder))


def clear_place(path: Path) -> None:
    """Makes sure that a file can be written to `path`: a link there is removed, not what it names.

    Raises:
        OSError: there is something that is neither a regular file nor a link, and stays there; or
            the link cannot be removed.
    """
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(facts.st_mode):
        path.unlink(missing_ok=True)
        return
    fault = _kind_fault(facts)
    if fault is not None:
        raise FileExistsError(errno.EEXIST, fault, os.fspath(path))


def _kind_fault(facts: os.stat_result) -> str | None:
    if stat.S_ISREG(facts.st_mode):
        return None
    kind = _KINDS.get(stat.S_IFMT(facts.st_mode), "something else")
    return f"it is {kind}, not a regular file"


def _owners() -> set[int] | None:
    """Returns the ids of the users who are trusted, or None on Windows, which has no such ids."""
    own = getattr(os, "geteuid", None)
    return None if own is None else {own(), _ROOT}
