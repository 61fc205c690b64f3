"""Files that may be compressed: opened by what they hold, not by what they are called."""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, runtime_checkable

from fmnistlab.errors import ConfigurationError, DataFileError, DataFormatError, suggestion
from fmnistlab.foundation.atomic_file import write_atomically
from fmnistlab.foundation.wording import setting

FREE_EXPANSION: Final = 2**25
"""Bytes that any compressed file may expand to, 32 MiB."""

MAX_EXPANSION_RATIO: Final = 100
"""Beyond `FREE_EXPANSION`, what was read may expand to this many times its packed size.

The real data expands five times; files made to fill the memory expand a thousand times and more.
"""

MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
"""First bytes of the containers that can be read."""

_DAMAGE = (  # what the standard library raises about damaged containers, besides OSError
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    struct.error,
    RuntimeError,  # encrypted after all, or packed in a way that Python does not know
    ValueError,  # names that are no text, offsets before the start
    OverflowError,  # sizes beyond all measure
)


@runtime_checkable
class ByteReader(Protocol):
    """Whatever bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Returns at most `size` bytes; b"" at the end."""
        ...


@runtime_checkable
class ByteWriter(Protocol):
    """Whatever bytes can be written to."""

    def write(self, content: bytes, /) -> int:
        """Writes all of `content`."""
        ...


class _CountedFile(io.FileIO):
    """A file, or a pipe, that knows how many bytes were read from it."""

    count: int = 0

    def readinto(self, buffer: Any, /) -> int | None:
        length = super().readinto(buffer)
        self.count += length or 0
        return length


class ContainerReader:
    """The decompressed content of one file, read from start to end.

    Attributes:
        path: the file.
        kind: "plain", "gzip", "xz", "bzip2" or "zip".
    """

    def __init__(self, path: Path, kind: str, stream: ByteReader, packed: _CountedFile) -> None:
        self.path = path
        self.kind = kind
        self._stream = stream
        self._packed = packed
        self._expanded = 0

    def read(self, size: int) -> bytes:
        """Returns the next bytes, at most `size` of them; b"" at the end.

        Raises:
            DataFormatError: the container is damaged, cut off, or expands beyond all measure.
            DataFileError: the disk cannot read the file.
        """
        with _faults_named(self.path, self.kind):
            content = self._stream.read(size)
        if self.kind != "plain":
            # By what was read so far, so that a large bomb is stopped as early as a small one.
            self._expanded += len(content)
            if self._expanded > max(FREE_EXPANSION, MAX_EXPANSION_RATIO * self._packed.count):
                raise DataFormatError(
                    self.path,
                    f"expands to more than {MAX_EXPANSION_RATIO} times its size, which no images "
                    "do; if you trust it, unpack it and name the unpacked file",
                )
        return content

    def check_rest(self) -> None:
        """Reads to the end, so that a damaged container says so; nothing to do if plain.

        Raises:
            DataFormatError: as `read`.
        """
        while self.kind != "plain" and self.read(2**20):
            pass


@contextlib.contextmanager
def open_container(path: str | os.PathLike[str]) -> Iterator[ContainerReader]:
    """Opens a plain, gzip, xz, bzip2 or zip file for reading its content.

    Args:
        path: the file. A zip archive must hold a single file; folders and what macOS adds do not
            count.

    Raises:
        DataFileError: the file is missing, is a folder, or cannot be read.
        DataFormatError: the zip archive is encrypted, or holds no or several files; the container
            is damaged.
    """
    path = Path(path)
    try:
        packed = _CountedFile(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise _open_error(path, error) from error
    with io.BufferedReader(packed) as file, contextlib.ExitStack() as stack:
        with _faults_named(path, "file"):
            head = file.peek(8)
        kind = next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "plain")
        with _faults_named(path, kind):
            stream = stack.enter_context(_decompressed(path, kind, file))
        yield ContainerReader(path, kind, stream, packed)


@contextlib.contextmanager
def create_container(path: str | os.PathLike[str]) -> Iterator[ByteWriter]:
    """Opens a file for writing, compressed as its suffix says; it appears whole or not at all.

    The same content gives the same bytes: no times and no names of temporary files are stored.

    Args:
        path: a name that ends in .csv, .gz, .xz, .bz2 or .zip; an existing file is replaced.

    Raises:
        ConfigurationError: another suffix.
        DataFileError: the folder is missing, read-only or full.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ConfigurationError(
            f"{path}: the suffix {path.suffix!r} is unknown. End the name in "
            f"{', '.join(_SUFFIXES)}.{suggestion(suffix, _SUFFIXES)}"
        )
    try:
        with write_atomically(path) as file, _compressed(path, suffix, file) as stream:
            yield stream
    except OSError as error:
        raise DataFileError(f"{path}: cannot be written: {error.strerror or error}.") from error


_SUFFIXES = (".csv", ".gz", ".xz", ".bz2", ".zip")


def _decompressed(
    path: Path, kind: str, file: BinaryIO
) -> contextlib.AbstractContextManager[ByteReader]:
    match kind:
        case "gzip":
            return gzip.GzipFile(fileobj=file)
        case "xz":
            return lzma.LZMAFile(file)
        case "bzip2":
            return bz2.BZ2File(file)
        case "zip":
            return _only_member(path, zipfile.ZipFile(file))
        case _:
            return contextlib.nullcontext(file)


@contextlib.contextmanager
def _only_member(path: Path, archive: zipfile.ZipFile) -> Iterator[ByteReader]:
    members = [
        member
        for member in archive.infolist()
        if not (member.is_dir() or member.filename.startswith("__MACOSX/"))
        and not member.filename.endswith(".DS_Store")
    ]
    if len(members) != 1:
        names = ", ".join(repr(member.filename) for member in members[:4])
        more = ", ..." if len(members) > 4 else ""
        found = f"{len(members)} files ({names}{more})" if members else "no file"
        raise DataFormatError(
            path, f"is a zip archive with {found}; unpack it and name the CSV file you mean"
        )
    if members[0].flag_bits & 1:
        raise DataFormatError(path, "is an encrypted zip archive; unpack it with its password")
    with archive.open(members[0]) as stream:
        yield _InSmallSteps(stream)


class _InSmallSteps:
    """The content of an archive, read so that the packed bytes are read as they are needed.

    `zipfile` reads as many packed bytes as it is asked for unpacked ones; who counts them to see
    how much they expand would see it late.
    """

    def __init__(self, stream: ByteReader) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        pieces: list[bytes] = []
        missing = size
        while missing and (piece := self._stream.read(min(missing, _STEP))):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)


_STEP = 2**16


@contextlib.contextmanager
def _compressed(path: Path, suffix: str, file: BinaryIO) -> Iterator[ByteWriter]:
    # The presets are quick ones: 60,000 images take seconds, not minutes.
    match suffix:
        case ".gz":
            with gzip.GzipFile("", "wb", 4, file, mtime=0) as packed:
                yield packed
        case ".xz":
            with lzma.LZMAFile(file, "wb", check=lzma.CHECK_CRC64, preset=1) as packed:
                yield packed
        case ".bz2":
            with bz2.BZ2File(file, "wb", compresslevel=9) as packed:
                yield packed
        case ".zip":
            member = zipfile.ZipInfo(f"{path.stem.removesuffix('.csv')}.csv")  # dated 1980-01-01
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3  # Unix, wherever it is written
            member.external_attr = 0o644 << 16
            with (
                zipfile.ZipFile(file, "w") as archive,
                archive.open(member, "w", force_zip64=True) as packed,
            ):
                yield packed
        case _:
            yield file


@contextlib.contextmanager
def _faults_named(path: Path, kind: str) -> Iterator[None]:
    """Turns what the standard library raises about damaged files into one named error."""
    try:
        yield
    except (DataFileError, DataFormatError):
        raise
    except EOFError as error:
        raise DataFormatError(
            path, f"is cut off: its {kind} data ends too early; get the file again"
        ) from error
    except (OSError, *_DAMAGE) as error:
        # EINVAL: a damaged zip archive sent us to a place before the start of the file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise DataFileError(f"{path}: cannot be read: {error.strerror}.") from error
        raise DataFormatError(
            path, f"is damaged: its {kind} data cannot be read ({error}); get the file again"
        ) from error


def _open_error(path: Path, error: OSError | ValueError) -> DataFileError:
    option = setting("data")  # `data` in Python
    bundled = (
        'FashionMNISTCSV.bundled("train") needs no file'
        if option == "data"
        else f"{option} can be left out"
    )
    if isinstance(error, FileNotFoundError):
        folder = path.parent
        near = suggestion(path.name, [p.name for p in folder.iterdir()]) if folder.is_dir() else ""
        return DataFileError(f"{path}: there is no such file.{near} ({bundled}.)")
    if os.path.isdir(path):  # noqa: PTH112 - raises nothing for a name that is too long
        return DataFileError(f"{path}: is a folder; name a CSV file in it. ({bundled}.)")
    reason = error.strerror if isinstance(error, OSError) else error
    return DataFileError(f"{path}: cannot be opened: {reason}.")
