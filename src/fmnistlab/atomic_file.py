"""Files that are either whole or not there: write aside, flush to disk, then rename."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike[str], *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` and moves it there when the block succeeds.

    The data is flushed to disk before the rename and the folder after it, so that after a power
    loss either the old or the new file is there, whole. If the block raises, the temporary file
    is removed and `path` stays as it was.

    Args:
        path: the file to write; an existing one is replaced. Its folder must exist.
        mode: who may read and write it, less what the umask takes away; not used on Windows.

    Yields:
        A binary file open for writing.

    Raises:
        OSError: the folder is missing, read-only or full.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            if hasattr(os, "fchmod"):  # not by name, which may be a link to another file by now
                os.fchmod(stream.fileno(), mode & ~_umask())
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    _flush_folder(path.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _flush_folder(folder: Path) -> None:
    """Makes a rename durable; Windows cannot open a folder and needs no such step."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
