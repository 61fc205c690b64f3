"""The lock only saves work; its holder removes what killed processes left."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock
import pytest
from tests.data.cache_scene import NOBODY, Scene, needs_root
from tests.data.cached_source import entries, table_of, use_is_logged
from tests.faults.small_csv import same

from fmnistlab.data import cache, cache_lock
from fmnistlab.data.cache import cached_path, read_cached
from fmnistlab.data.csv_file import FashionTable, read_csv, write_csv

# --- many processes and threads -------------------------------------------------------------------


READER = """
import hashlib, os, sys
from fmnistlab.data.cache import cache_folder, cached_path, read_cached
source, rounds, expected = sys.argv[1], int(sys.argv[2]), sys.argv[3]
for number in range(rounds):
    if number % 5 == os.getpid() % 5:
        cached_path(source, cache_folder()).unlink(missing_ok=True)
    table = read_cached(source)
    found = hashlib.sha256(table.images.tobytes() + table.labels.tobytes()).hexdigest()
    assert found == expected, number
    print(number, flush=True)
"""


def digest_of(table: FashionTable) -> str:
    return hashlib.sha256(table.images.tobytes() + table.labels.tobytes()).hexdigest()


def start_reader(source: Path, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", READER, str(source), str(rounds), digest_of(table_of())]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_many_processes_build_and_remove_the_same_file(folder: Path, source: Path) -> None:
    readers = [start_reader(source, 25) for _ in range(4)]
    for reader in readers:
        _, errors = reader.communicate(timeout=120)
        assert reader.returncode == 0, errors
    assert same(read_cached(source), table_of())
    assert sorted(path.suffix for path in folder.iterdir()) == [".lock", ".safetensors"]


def test_a_process_that_is_killed_leaves_nothing_wrong(folder: Path, source: Path) -> None:
    reader = start_reader(source, 10**6)
    assert reader.stdout is not None
    for _ in range(30):
        reader.stdout.readline()
    reader.kill()
    reader.communicate()
    assert same(read_cached(source), table_of())


# --- the lock only saves work ---------------------------------------------------------------------


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A list that grows by one path with each read of a source, which takes 0.1 s from now on."""
    counted: list[Path] = []

    def slow(path: Path) -> FashionTable:
        counted.append(path)
        time.sleep(0.1)
        return read_csv(path)

    monkeypatch.setattr(cache, "read_csv", slow)
    return counted


def read_in_threads(source: Path, count: int) -> list[FashionTable]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(read_cached, [source] * count))


def test_of_many_readers_one_reads_the_source(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = count_reads(monkeypatch)
    assert all(same(table, table_of()) for table in read_in_threads(source, 6))
    assert len(counted) == 1


def test_locks_that_do_nothing_only_cost_time(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    counted = count_reads(monkeypatch)
    assert all(same(table, table_of()) for table in read_in_threads(source, 6))
    assert len(counted) > 1
    assert entries(folder) == [cached_path(source, folder)]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOLCK, "No locks available"),
        PermissionError(errno.EACCES, "Permission denied"),
        NotImplementedError("this file system knows no locks"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("when", ["acquire", "release"])
@pytest.mark.usefixtures("folder")
def test_locks_that_fail_only_cost_time(
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    when: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(filelock.FileLock, when, fail)
    table, log = use_is_logged(caplog, source)
    assert same(table, table_of())
    assert f"a lock: {error}" in log or f"cannot be released: {error}" in log
    assert use_is_logged(caplog, source)[1] == ""


def test_a_lock_that_is_never_given_back_is_waited_for_only_so_long(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache_lock, "LOCK_SECONDS", 0.2)
    folder.mkdir(parents=True)
    with filelock.FileLock(cached_path(source, folder).with_suffix(".lock")):
        table, log = use_is_logged(caplog, source)
    assert same(table, table_of())
    assert "goes on without a lock" in log
    assert use_is_logged(caplog, source)[1] == ""


def test_who_waited_looks_at_the_source_again(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was true before the wait need not be true after it."""

    @contextlib.contextmanager
    def replaced_meanwhile(entry: Path) -> Iterator[None]:
        write_csv(source, table_of(5, seed=1).images, table_of(5, seed=1).labels)
        yield

    monkeypatch.setattr(cache, "lock_held", replaced_meanwhile)
    assert same(read_cached(source), table_of(5, seed=1))
    monkeypatch.undo()
    monkeypatch.setenv("FMNISTLAB_CACHE", str(folder))
    assert same(read_cached(source), table_of(5, seed=1))


def test_a_lock_file_is_no_entry_and_an_entry_no_lock_file(tmp_path: Path) -> None:
    sources = [tmp_path / name for name in ("a.csv", "b.csv", "a.csv.xz", "a.lock")]
    kept = {cached_path(path, tmp_path) for path in sources}
    locks = {path.with_suffix(".lock") for path in kept}
    assert len(kept | locks) == 8


def test_importing_the_data_set_does_not_import_the_locks() -> None:
    code = "import sys, fmnistlab.data.cache; print('filelock' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# --- what killed processes left -------------------------------------------------------------------


def leave(path: Path, seconds: float) -> Path:
    """Makes a file that was last written so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("half")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_old_temporary_files_of_an_entry_are_removed_by_its_next_writer(scene: Scene) -> None:
    name = scene.entry.name
    left = [leave(scene.folder / f".{name}.{end}.tmp", 700) for end in ("abcdef_1", "________")]
    assert scene.reads_right()
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize(
    "name",
    [
        *(".{}.abcdefg.tmp", ".{}.abcdefghi.tmp", ".{}.ABCDEFGH.tmp", ".{}.abcdefgh.tmp~"),
        *("{}.abcdefgh.tmp", ".{}x.abcdefgh.tmp", ".x-v1.safetensors.abcdefgh.tmp", ".{}.tmp"),
        *("x.{}.abcdefgh.tmp", ".{}.abcdefgh.tmp\n", ".x.abcdefgh.tmp", "abcdefgh.tmp"),
    ],
)
def test_other_names_stay(scene: Scene, name: str) -> None:
    left = leave(scene.folder / name.format(scene.entry.name), 10**6)
    assert scene.reads_right()
    assert left.read_text() == "half"


def test_a_temporary_file_that_may_be_in_use_stays(scene: Scene) -> None:
    young = leave(scene.folder / f".{scene.entry.name}.abcdefgh.tmp", 500)
    assert scene.reads_right()
    assert young.exists()


def test_temporary_files_below_and_of_other_kinds_stay(scene: Scene, tmp_path: Path) -> None:
    name = f".{scene.entry.name}.abcdefg"
    precious = leave(tmp_path / "precious", 10**6)
    below = leave(scene.folder / "below" / f"{name}1.tmp", 10**6)
    (scene.folder / f"{name}2.tmp").symlink_to(precious)
    (scene.folder / f"{name}3.tmp").mkdir()
    os.mkfifo(scene.folder / f"{name}4.tmp")
    for number in (2, 3, 4):
        os.utime(scene.folder / f"{name}{number}.tmp", (1, 1), follow_symlinks=False)
    before = set(scene.folder.rglob("*"))
    assert scene.reads_right()
    assert set(scene.folder.rglob("*")) == before | {scene.entry, scene.lock}
    assert precious.exists()
    assert below.exists()


@needs_root
def test_a_temporary_file_of_another_user_stays(scene: Scene) -> None:
    left = leave(scene.folder / f".{scene.entry.name}.abcdefgh.tmp", 10**6)
    os.chown(left, NOBODY, NOBODY)
    assert scene.reads_right()
    assert left.exists()


def test_without_the_lock_nothing_is_removed(scene: Scene) -> None:
    left = leave(scene.folder / f".{scene.entry.name}.abcdefgh.tmp", 10**6)
    scene.lock.mkdir()
    assert scene.reads_right()
    assert left.exists()
