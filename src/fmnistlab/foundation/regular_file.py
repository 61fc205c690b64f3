"""Files that are read whole: regular ones alone, at once, and never more than a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

OPEN_FLAGS = os.O_RDONLY
"""How a file is opened that may be anything: at once, since opening a pipe waits for a writer."""

# Windows has none of these but O_BINARY, which it alone has.
for _name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY", "O_CLOEXEC"):
    OPEN_FLAGS |= getattr(os, _name, 0)

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Added to the flags: the last part of the path is not followed if it is a link."""


def read_regular_file(
    path: str | os.PathLike[str], *, limit: int | None = None, follow_links: bool = False
) -> bytes:
    """Returns the content of a file.

    Args:
        path: the file.
        limit: most bytes it may have; None for any number.
        follow_links: whether `path` itself may be a link; folders on the way to it always may.

    Raises:
        OSError: it is missing, cannot be read, is a folder, a link, a pipe or a device, or is
            larger than `limit`; `strerror` says which.
    """
    flags = OPEN_FLAGS if follow_links else OPEN_FLAGS | NO_LINK
    try:
        # Before it is opened, which already acts on some devices.
        _check_kind(path, Path(path).stat(follow_symlinks=follow_links))
        descriptor = os.open(path, flags)
    except ValueError as error:  # a NUL character in the name
        raise OSError(errno.EINVAL, f"it is no possible name: {error}", os.fspath(path)) from error
    with os.fdopen(descriptor, "rb") as stream:
        facts = os.fstat(descriptor)
        _check_kind(path, facts)  # it may be another one by now
        if limit is None:
            return stream.read()
        content = b"" if facts.st_size > limit else stream.read(limit + 1)
    if facts.st_size > limit or len(content) > limit:
        reason = f"it has more than {limit:,} bytes, the most that are read"
        raise OSError(errno.EFBIG, reason, os.fspath(path))
    return content


def _check_kind(path: str | os.PathLike[str], facts: os.stat_result) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", os.fspath(path))
    if stat.S_ISLNK(facts.st_mode):
        raise OSError(errno.ELOOP, "it is a link, which is not followed here", os.fspath(path))
    if not stat.S_ISREG(facts.st_mode):
        reason = "it is no regular file but a device, a pipe or a socket"
        raise OSError(errno.EINVAL, reason, os.fspath(path))
