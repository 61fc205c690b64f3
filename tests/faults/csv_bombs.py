"""Files made to fill the memory: a named error, little memory, little time.

Each file is read in a child process. Memory is the peak of what the process had resident while it
read, less what it had before. Time is that of the clock or that of the processor, whichever is
less: neither other work on the machine nor a second thread shall count.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.faults.children import run_child
from tests.faults.score import Drill, Score
from tests.faults.small_csv import cells_of, make_rows, text_of

from fmnistlab.data.csv_file import read_csv
from fmnistlab.errors import DataFormatError

MOST_MEMORY = 256 * 2**20
"""Bytes that reading may take beyond what the process had."""

MOST_SECONDS = 2.0
"""Seconds until the file is refused."""

_ROWS = 4
_EXPANDED = 2**30
_PART = 2**22
_ZEROS = b"0" + b",0" * 784 + b"\n"

Write = Callable[[Path, bytes], None]


class Bomb(NamedTuple):
    """One file.

    Attributes:
        write: writes it to a path; is given the text of a small good file to begin with.
        line: number of the line that the error must name; None if it is about the whole file.
        quick: whether it is made and read in well under a second.
    """

    write: Write
    line: int | None = None
    quick: bool = False


def _plain(middle: Callable[[], bytes]) -> Write:
    """Good rows, something else, and good rows again."""

    def write(path: Path, good: bytes) -> None:
        path.write_bytes(good + middle() + good)

    return write


def _header(path: Path, good: bytes) -> None:
    path.write_bytes(b"label" + b",pixel1" * 10**6 + b"\n" + good)


def _sparse(path: Path, good: bytes) -> None:
    """One line of 1 GiB that takes no room on the disk."""
    with path.open("wb") as stream:
        stream.write(good)
        stream.truncate(len(good) + _EXPANDED)


def _packed(pack: Callable[[bytes], bytes], filling: bytes) -> Write:
    """Good rows and 1 GiB of a filling; the formats allow parts that were packed one by one."""

    def write(path: Path, good: bytes) -> None:
        part = filling * (_PART // len(filling))
        repeated = pack(part) * (_EXPANDED // len(part))
        path.write_bytes(pack(good) + repeated)

    return write


def _zipped(filling: bytes) -> Write:
    """The same in a zip archive, which must be packed in one go."""

    def write(path: Path, good: bytes) -> None:
        part = filling * (_PART // len(filling))
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open("data.csv", "w", force_zip64=True) as stream,
        ):
            stream.write(good)
            for _ in range(_EXPANDED // len(part)):
                stream.write(part)

    return write


def _huge_window(path: Path, good: bytes) -> None:
    """An xz file whose header asks for 1.5 GiB of working memory, and which would use it."""
    packer = lzma.LZMACompressor(check=lzma.CHECK_NONE, preset=0)
    part = _ZEROS * (_PART // len(_ZEROS))
    pieces = [packer.compress(good), *(packer.compress(part) for _ in range(128)), packer.flush()]
    packed = bytearray(b"".join(pieces))
    header = packed[12:20]  # of the first block; the byte at 4 tells the size of the window
    header[4] = 37
    packed[12:24] = header + struct.pack("<I", zlib.crc32(header))
    path.write_bytes(packed)


BOMBS: dict[str, Bomb] = {
    "a field of 10^6 digits": Bomb(
        _plain(lambda: b"1" * 10**6 + b",0" * 784 + b"\n"), _ROWS + 2, quick=True
    ),
    "a row of 10^6 columns": Bomb(
        _plain(lambda: b"0" + b",0" * 10**6 + b"\n"), _ROWS + 2, quick=True
    ),
    "a row of 10^7 columns": Bomb(
        _plain(lambda: b"0" + b",0" * 10**7 + b"\n"), _ROWS + 2, quick=True
    ),
    "a header of 10^6 columns": Bomb(_header, 1, quick=True),
    "one line of 1 GiB": Bomb(_sparse, _ROWS + 2, quick=True),
    "gz, one line of 1 GiB": Bomb(_packed(gzip.compress, b"1"), quick=True),
    "gz, 1 GiB of blank lines": Bomb(_packed(gzip.compress, b"\n"), quick=True),
    "gz, 1 GiB of rows": Bomb(_packed(gzip.compress, _ZEROS), quick=True),
    "xz, one line of 1 GiB": Bomb(_packed(lzma.compress, b"1"), quick=True),
    "xz, 1 GiB of rows": Bomb(_packed(lzma.compress, _ZEROS), quick=True),
    "bz2, one line of 1 GiB": Bomb(_packed(bz2.compress, b"1"), quick=True),
    "bz2, 1 GiB of rows": Bomb(_packed(bz2.compress, _ZEROS), quick=True),
    "zip, one line of 1 GiB": Bomb(_zipped(b"1")),
    "zip, 1 GiB of rows": Bomb(_zipped(_ZEROS)),
    "xz, a window of 1.5 GiB": Bomb(_huge_window),
}

_QUICK = sum(bomb.quick for bomb in BOMBS.values())


class _Refusal(NamedTuple):
    """What a child reports.

    Attributes:
        error: path, line and reason of the DataFormatError, or None and what else happened.
        memory: bytes at the peak, beyond those before.
        seconds: as explained above.
    """

    error: tuple[str | None, int | None, str]
    memory: int
    seconds: float


def run(trials: int, seed: int) -> Score:
    """Writes each file and reads it once; `trials` up to 12 leave the slow ones out."""
    score = Score()
    good = text_of(cells_of(make_rows(_ROWS, seed))).encode()
    most_memory, most_seconds = 0, 0.0
    names = [name for name, bomb in BOMBS.items() if bomb.quick or trials > _QUICK][:trials]
    random.Random(seed).shuffle(names)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "data.csv")
            BOMBS[name].write(path, good)
            ending = run_child(lambda: _read(path, good))  # noqa: B023 - runs now
        found = ending.result
        if not isinstance(found, _Refusal):
            score.count(good=False, trial=f"{name}: the child did not come back: {ending}")
            continue
        named = found.error[:2] == (str(path), BOMBS[name].line)
        small = found.memory <= MOST_MEMORY and found.seconds <= MOST_SECONDS
        score.count(good=named and small, trial=f"{name}: {found}")
        most_memory = max(most_memory, found.memory)
        most_seconds = max(most_seconds, found.seconds)
    score.notes.append(f"at most {most_memory / 2**20:.0f} MiB and {most_seconds:.2f} s")
    return score


def _read(path: Path, good: bytes) -> _Refusal:
    """Runs in a child, as on a machine with many processors, where more is read at once."""
    os.cpu_count = lambda: 64
    warm = path.with_name("good.csv")
    warm.write_bytes(good)
    read_csv(warm)  # imports pandas
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the earlier peak
    clock, processor = time.perf_counter(), time.process_time()
    error: tuple[str | None, int | None, str] = (None, None, "was read")
    try:
        read_csv(path)
    except DataFormatError as refused:
        error = refused.path, refused.line, refused.reason
    except BaseException as other:  # noqa: BLE001 - whatever it is, it is reported
        error = None, None, repr(other)
    seconds = min(time.perf_counter() - clock, time.process_time() - processor)
    return _Refusal(error, _status("VmHWM") - before, seconds)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


DRILL = Drill(
    "files made to fill the memory are refused within 256 MiB, 2 s", run, _QUICK, len(BOMBS)
)
