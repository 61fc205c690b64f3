"""A cached file that is damaged, foreign or outdated is rebuilt, and never used."""

from __future__ import annotations

import os
import random
import tempfile
import unittest.mock
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tests.faults.score import Drill, Score
from tests.faults.small_csv import make_rows, same, table_of, told

from fmnistlab.data import cache, cache_entry
from fmnistlab.data.cache import cached_path, read_cached
from fmnistlab.data.csv_file import FashionTable, read_csv, write_csv
from fmnistlab.errors import DataFileError, DataFormatError


class _Scene:
    """A source, its cached file, and a second pair beside it."""

    def __init__(self, folder: Path, chooser: random.Random) -> None:
        self.chooser = chooser
        self.source, self.other = folder / "data.csv", folder / "other.csv"
        self.rows = make_rows(chooser.randint(2, 12), chooser.randrange(2**32))
        self.write(self.source, self.rows)
        self.write(self.other, make_rows(len(self.rows), chooser.randrange(2**32)))
        self.entry, self.other_entry = (
            cached_path(path, folder / "cache") for path in (self.source, self.other)
        )

    def write(self, path: Path, rows: np.ndarray) -> None:
        write_csv(path, table_of(rows).images, table_of(rows).labels)

    def content(self) -> bytes | None:
        """Returns what is in the source, or None if it is gone."""
        return self.source.read_bytes() if self.source.exists() else None

    def change_entry(self, change: Callable[[bytearray], object]) -> None:
        content = bytearray(self.entry.read_bytes())
        change(content)
        self.entry.write_bytes(content)

    def place(self, length: int) -> int:
        """Anywhere in the file, but every second time in its header."""
        return self.chooser.randrange(min(length, 1000) if self.chooser.random() < 0.5 else length)

    def change_source(self, change: Callable[[bytes], bytes]) -> None:
        """Changes the source in place and gives it its old times again, as far as one can."""
        before = self.source.stat()
        content = change(self.source.read_bytes())
        while self.source.stat().st_ctime_ns == before.st_ctime_ns:  # clocks tick in milliseconds
            with self.source.open("r+b") as stream:
                stream.write(content)
                stream.truncate()
            os.utime(self.source, ns=(before.st_atime_ns, before.st_mtime_ns))


def _flip_bit(scene: _Scene) -> None:
    def change(content: bytearray) -> None:
        content[scene.place(len(content))] ^= 1 << scene.chooser.randrange(8)

    scene.change_entry(change)


def _zero(scene: _Scene) -> None:
    def change(content: bytearray) -> None:
        start = scene.place(len(content))
        part = content[start : start + 4096]
        content[start : start + 4096] = bytes(len(part)) if any(part) else b"\1" * len(part)

    scene.change_entry(change)


def _cut(scene: _Scene) -> None:
    scene.change_entry(lambda content: content.__delitem__(slice(scene.place(len(content)), None)))


def _grow(scene: _Scene) -> None:
    scene.change_entry(lambda content: content.extend(scene.chooser.randbytes(785)))


def _swap_images(scene: _Scene) -> None:
    """The first two images in each other's place: all bytes are there, all sizes are right."""

    def change(content: bytearray) -> None:
        start = len(content) - 785 * len(scene.rows)
        one, other = content[start : start + 784], content[start + 784 : start + 1568]
        content[start : start + 1568] = other + one

    scene.change_entry(change)


def _empty(scene: _Scene) -> None:
    scene.entry.write_bytes(b"")


def _noise(scene: _Scene) -> None:
    scene.entry.write_bytes(scene.chooser.randbytes(scene.chooser.randint(1, 20_000)))


def _foreign_tensors(scene: _Scene) -> None:
    table = table_of(make_rows(3, scene.chooser.randrange(2**32)))
    save_file({"images": table.images.copy(), "labels": table.labels.copy()}, scene.entry)


def _of_another_source(scene: _Scene) -> None:
    """A whole file of our format, but of another source."""
    read_cached(scene.other)
    scene.entry.write_bytes(scene.other_entry.read_bytes())


def _of_another_version(scene: _Scene) -> None:
    with unittest.mock.patch.object(cache_entry, "FORMAT_VERSION", cache_entry.FORMAT_VERSION + 1):
        read_cached(scene.source)
        newer = cached_path(scene.source, scene.entry.parent)
    newer.replace(scene.entry)


def _a_folder(scene: _Scene) -> None:
    scene.entry.unlink()
    scene.entry.mkdir()


def _a_link_to_nothing(scene: _Scene) -> None:
    scene.entry.unlink()
    scene.entry.symlink_to(scene.entry.with_name("nothing"))


def _a_link_to_the_source(scene: _Scene) -> None:
    scene.entry.unlink()
    scene.entry.symlink_to(scene.source)


def _digit_changed(scene: _Scene) -> None:
    """Same size, same modification time."""

    scene.change_source(
        lambda content: content[:-2] + (b"1\n" if content[-2:-1] == b"0" else b"0\n")
    )


def _row_lost(scene: _Scene) -> None:
    scene.change_source(lambda content: content[: content.rindex(b"\n", 0, -1) + 1])


def _spoilt(scene: _Scene) -> None:
    """The source is no longer legal: what it once held must not come back."""
    scene.change_source(lambda content: content.replace(b"\n", b"\n-", 1))


def _replaced(scene: _Scene) -> None:
    """Another file is moved into its place, dated as the old one."""
    before = scene.source.stat()
    os.utime(scene.other, ns=(before.st_atime_ns, before.st_mtime_ns))
    scene.other.replace(scene.source)


def _removed(scene: _Scene) -> None:
    scene.source.unlink()


def _old_entry(scene: _Scene) -> None:
    """What was cached before the source changed is put back, as from a backup."""
    old = scene.entry.read_bytes()
    _digit_changed(scene)
    read_cached(scene.source)
    scene.entry.write_bytes(old)


def _forged(scene: _Scene, change: Callable[[bytearray], None]) -> None:
    """Changes a cached file and makes its hash right again."""
    _, facts = cache_entry.load(scene.entry, 10**6)
    content = bytearray(scene.entry.read_bytes())
    rows = len(scene.rows)
    change(content)
    arrays = np.frombuffer(bytes(content[-785 * rows :]), np.uint8)
    images, labels = np.split(arrays, [784 * rows])
    table = FashionTable(images.reshape(rows, 28, 28), labels)
    cache_entry.store(scene.entry, table, facts)


def _forged_label(scene: _Scene) -> None:
    def change(content: bytearray) -> None:
        content[-scene.chooser.randint(1, len(scene.rows))] = scene.chooser.randint(10, 255)

    _forged(scene, change)


def _writable_by_all(scene: _Scene) -> None:
    """A legal forgery that others than the owner can have made."""

    def change(content: bytearray) -> None:
        content[-785 * len(scene.rows)] ^= 1

    _forged(scene, change)
    scene.entry.chmod(scene.chooser.choice([0o664, 0o646, 0o666]))


def _a_pipe(scene: _Scene) -> None:
    scene.entry.unlink()
    os.mkfifo(scene.entry)


DAMAGES: dict[str, Callable[[_Scene], None]] = {
    "one bit flipped": _flip_bit,
    "4 KiB zeroed": _zero,
    "cut off": _cut,
    "bytes at the end": _grow,
    "two images swapped": _swap_images,
    "empty": _empty,
    "noise": _noise,
    "somebody's tensors": _foreign_tensors,
    "the file of another source": _of_another_source,
    "another version": _of_another_version,
    "a folder": _a_folder,
    "a pipe": _a_pipe,
    "a forged label": _forged_label,
    "a forgery that others could write": _writable_by_all,
    "a link to nothing": _a_link_to_nothing,
    "a link to the source": _a_link_to_the_source,
    "a digit of the source changed": _digit_changed,
    "a row of the source lost": _row_lost,
    "the source spoilt": _spoilt,
    "the source replaced": _replaced,
    "the source removed": _removed,
    "an old entry put back": _old_entry,
}


def run(trials: int, seed: int) -> Score:
    """Fills the cache, damages it or outdates it, and reads again, twice."""
    score = Score()
    for number in range(trials):
        chooser = random.Random(f"{seed} {number}")
        kind = [*DAMAGES][number % len(DAMAGES)]
        # Sources that are old enough are known by their times, young ones by their hash.
        settling = chooser.choice([-(10**18), 10**18])
        with (
            tempfile.TemporaryDirectory() as folder,
            unittest.mock.patch.dict(os.environ, {cache.FOLDER_VARIABLE: f"{folder}/cache"}),
            unittest.mock.patch.object(cache, "SETTLING_NS", settling),
        ):
            found = _try(_Scene(Path(folder), chooser), DAMAGES[kind])
        old = "old" if settling < 0 else "young"
        what = f"trial {number} of seed {seed}, {kind}, {old} source: {found}"
        score.count(good=not found, trial=what)
    return score


def _try(scene: _Scene, damage: Callable[[_Scene], None]) -> str:
    """Returns what went wrong, or ""."""
    first = _outcome(read_cached, scene.source)
    if not _equal(first, table_of(scene.rows)) or not scene.entry.is_file():
        return f"did not even work without damage: {told(first)}"
    whole, good = scene.entry.read_bytes(), scene.content()
    damage(scene)
    source = scene.content()
    for again in ("first", "second"):
        found, truth = _outcome(read_cached, scene.source), _outcome(read_csv, scene.source)
        if not _equal(found, truth):
            return f"the {again} read afterwards gave {told(found)} instead of {told(truth)}"
    if scene.content() != source:
        return "the source itself was written to"
    stays = scene.entry.is_dir() or scene.entry.is_fifo()
    if source == good and not stays and scene.entry.read_bytes() != whole:
        return "the cached file was not rebuilt as it was"
    return ""


def _outcome(read: Callable[[Path], FashionTable], path: Path) -> FashionTable | Exception:
    try:
        return read(path)
    except (DataFileError, DataFormatError) as error:
        return error


def _equal(one: FashionTable | Exception, other: FashionTable | Exception) -> bool:
    if isinstance(one, FashionTable) and isinstance(other, FashionTable):
        return same(one, other)
    return type(one) is type(other) and str(one) == str(other)


DRILL = Drill("damaged or outdated cache files are rebuilt, never used", run, 100, 500)
