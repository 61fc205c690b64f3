"""A small source and its cached file, to be forged, replaced and spoilt."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.faults.small_csv import make_rows, same, table_of

from fmnistlab.data import cache
from fmnistlab.data.cache import cached_path, read_cached
from fmnistlab.data.csv_file import FashionTable, write_csv

TABLE = table_of(make_rows(3, seed=7).copy())
NOBODY = 65534
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
Logged = Callable[[str], bool]

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can give files away")


@dataclass(frozen=True)
class Scene:
    """A source that is old enough to be known by its times, in the cache or not yet."""

    folder: Path
    source: Path

    @property
    def entry(self) -> Path:
        return cached_path(self.source, self.folder)

    @property
    def lock(self) -> Path:
        return self.entry.with_suffix(".lock")

    def reads_right(self) -> bool:
        return same(read_cached(self.source), TABLE)


def make_scene(base: Path, patch: pytest.MonkeyPatch) -> Scene:
    scene = Scene(base / "cache", base / "data.csv")
    write_csv(scene.source, TABLE.images, TABLE.labels)
    patch.setenv("FMNISTLAB_CACHE", str(scene.folder))
    patch.setattr(cache, "SETTLING_NS", -(10**18))
    return scene


def facts_of(entry: Path) -> dict[str, str]:
    """Returns the facts in a header, without the hash."""
    content = entry.read_bytes()
    facts = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    del facts["sha256"]
    return dict(facts)


def hashed(facts: Mapping[str, object], table: FashionTable = TABLE) -> dict[str, object]:
    """Returns facts with the hash that makes them and the arrays whole."""
    digest = hashlib.sha256(json.dumps(sorted(facts.items())).encode())
    for array in (table.images, table.labels):
        digest.update(hashlib.sha256(array.tobytes()).digest())
    return {**facts, "sha256": digest.hexdigest()}


def layout_of(facts: Mapping[str, object], rows: object = 3) -> dict[str, object]:
    """Returns the header of a safetensors file with these facts."""
    count = rows if isinstance(rows, int) else 3
    ends = [0, 784 * count, 785 * count]
    return {
        "__metadata__": facts,
        "images": {"dtype": "U8", "shape": [rows, 28, 28], "data_offsets": ends[:2]},
        "labels": {"dtype": "U8", "shape": [rows], "data_offsets": ends[1:]},
    }


def file_of(header: bytes, table: FashionTable = TABLE) -> bytes:
    """Returns a safetensors file: length, header, arrays."""
    header += b" " * (-len(header) % 8)
    arrays = table.images.tobytes() + table.labels.tobytes()
    return len(header).to_bytes(8, "little") + header + arrays


def forged(facts: Mapping[str, object], table: FashionTable = TABLE) -> bytes:
    """Returns a cached file that is whole, with any facts and arrays."""
    layout = layout_of(hashed(facts, table), len(table.labels))
    return file_of(json.dumps(layout).encode(), table)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Runs a block without the rights of root, whom no mode keeps out."""
    if IS_ROOT:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if IS_ROOT:
            os.seteuid(0)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)
