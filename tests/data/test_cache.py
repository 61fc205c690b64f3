"""The cache gives what the file gives, or is not used."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock
import numpy as np
import platformdirs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tests.strategies import edited

from fmnistlab.data import cache, cache_entry, cache_lock
from fmnistlab.data.cache import cache_folder, cached_path, read_cached
from fmnistlab.data.csv_file import FashionTable, read_csv, write_csv
from fmnistlab.errors import DataFileError, DataFormatError


def table_of(count: int = 3, seed: int = 0) -> FashionTable:
    numbers = np.random.default_rng(seed)
    images = numbers.integers(100, 256, (count, 28, 28), dtype=np.uint8)
    return FashionTable(images, numbers.integers(0, 10, count, dtype=np.uint8))


def same(one: FashionTable, other: FashionTable) -> bool:
    images = np.array_equal(one.images, other.images)
    return images and np.array_equal(one.labels, other.labels)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, which does not exist yet."""
    monkeypatch.setenv("FMNISTLAB_CACHE", str(tmp_path / "some" / "cache"))
    return tmp_path / "some" / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A CSV file of three rows, `table_of()`."""
    path = tmp_path / "data.csv"
    write_csv(path, table_of().images, table_of().labels)
    return path


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as old enough to be known by their times, however young they are."""
    monkeypatch.setattr(cache, "SETTLING_NS", -(10**18))


def entries(folder: Path) -> list[Path]:
    """What is in the cache folder besides the lock files, which are empty."""
    found = list(folder.iterdir())
    assert all(path.stat().st_size == 0 for path in found if path.suffix == ".lock")
    return [path for path in found if path.suffix != ".lock"]


def replace_digit(path: Path) -> None:
    """Changes one pixel without changing size and modification time."""
    before = path.stat()
    content = path.read_bytes()
    at = content.rindex(b"\n", 0, -1) + 5  # the middle digit of pixel1 in the last row
    digit = b"1" if content[at : at + 1] != b"1" else b"2"
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(digit)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def use_is_logged(caplog: pytest.LogCaptureFixture, path: Path) -> tuple[FashionTable, str]:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "fmnistlab"):
        table = read_cached(path)
    return table, caplog.text


# --- what is kept ---------------------------------------------------------------------------------


def test_the_second_read_comes_from_the_cache(
    folder: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, log = use_is_logged(caplog, source)
    assert "data.csv is read instead: it cannot be opened: No such file" in log
    assert entries(folder) == [cached_path(source, folder)]
    second, log = use_is_logged(caplog, source)
    assert log == ""
    assert same(first, table_of())
    assert same(second, table_of())


def test_the_file_is_an_ordinary_safetensors_file(folder: Path, source: Path) -> None:
    read_cached(source)
    tensors = load_file(cached_path(source, folder))
    assert set(tensors) == {"images", "labels"}
    assert same(FashionTable(**tensors), table_of())


def test_cached_arrays_can_be_changed_without_changing_the_cache(
    folder: Path, source: Path
) -> None:
    read_cached(source)
    table = read_cached(source)
    table.images[:] = 0
    table.labels[:] = 0
    assert same(read_cached(source), table_of())


def test_every_source_has_its_own_file(folder: Path, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    write_csv(other, table_of(seed=1).images, table_of(seed=1).labels)
    for _ in range(2):
        assert same(read_cached(source), table_of())
        assert same(read_cached(other), table_of(seed=1))
    assert len(entries(folder)) == 2


def test_a_link_and_a_relative_path_share_the_file(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source.parent / "link.csv").symlink_to(source)
    monkeypatch.chdir(source.parent)
    for path in (source, "data.csv", "link.csv", Path("some/../data.csv")):
        folder.mkdir(parents=True, exist_ok=True)
        assert same(read_cached(path), table_of())
    assert len(entries(folder)) == 1


# --- the source changed ---------------------------------------------------------------------------


@pytest.mark.parametrize("old_enough", [True, False])
def test_an_edit_that_keeps_size_and_time_is_noticed(
    folder: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    old_enough: bool,
) -> None:
    monkeypatch.setattr(cache, "SETTLING_NS", -(10**18) if old_enough else 10**18)
    read_cached(source)
    replace_digit(source)
    table, log = use_is_logged(caplog, source)
    assert "data.csv is read instead: the source changed" in log
    assert same(table, read_csv(source))
    assert not same(table, table_of())
    assert same(read_cached(source), table)


def test_another_file_in_its_place_is_noticed(folder: Path, source: Path) -> None:
    read_cached(source)
    write_csv(source, table_of(5, seed=1).images, table_of(5, seed=1).labels)
    assert same(read_cached(source), table_of(5, seed=1))


def test_a_source_that_became_illegal_is_refused(folder: Path, source: Path) -> None:
    read_cached(source)
    source.write_text("label\n")
    with pytest.raises(DataFormatError, match="line 1"):
        read_cached(source)


def test_a_source_that_vanished_is_missing(folder: Path, source: Path) -> None:
    read_cached(source)
    source.unlink()
    with pytest.raises(DataFileError, match="no such file"):
        read_cached(source)


@pytest.mark.usefixtures("settled")
def test_an_old_source_is_known_by_its_times_alone(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_cached(source)

    def fail(source: object) -> str:
        raise AssertionError("hashed")

    monkeypatch.setattr(cache._Source, "sha256", fail)
    assert same(read_cached(source), table_of())


def test_a_young_source_is_hashed_at_each_read(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SETTLING_NS", 10**18)
    read_cached(source)
    real, hashed = cache._Source.sha256, []

    def count(source: cache._Source) -> str:
        hashed.append(source)
        return real(source)

    monkeypatch.setattr(cache._Source, "sha256", count)
    for number in (1, 2):
        assert same(read_cached(source), table_of())
        assert len(hashed) == number


@pytest.mark.usefixtures("settled")
def test_a_touched_source_is_hashed_once_and_then_known_again(
    folder: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    read_cached(source)
    os.utime(source, ns=(1, 1))
    table, log = use_is_logged(caplog, source)
    assert same(table, table_of())
    assert log == ""
    monkeypatch.setattr(cache._Source, "sha256", lambda source: 1 / 0)
    assert same(read_cached(source), table_of())


def test_a_source_that_changes_while_it_is_read_is_not_remembered(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_change(path: Path) -> FashionTable:
        table = read_csv(path)
        replace_digit(source)
        return table

    monkeypatch.setattr(cache, "read_csv", read_and_change)
    assert same(read_cached(source), table_of())
    assert not entries(folder)
    monkeypatch.setattr(cache, "read_csv", lambda path: (read_csv(path), source.unlink())[0])
    read_cached(source)
    assert not entries(folder)


def test_a_young_source_is_hashed_before_and_after(
    folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = iter(["before", "after"])
    monkeypatch.setattr(cache._Source, "sha256", lambda source: next(hashes))
    assert same(read_cached(source), table_of())
    assert not entries(folder)


# --- the cached file is damaged -------------------------------------------------------------------


@settings(max_examples=120)
@given(
    edit=st.tuples(
        st.sampled_from(["replace", "insert", "delete", "cut", "double"]),
        st.floats(0, 1, exclude_max=True) | st.floats(0, 0.25),  # the header, as often as the rest
        st.integers(0, 255),
    )
)
@pytest.mark.usefixtures("settled")
def test_a_damaged_file_is_rebuilt(
    folder: Path, source: Path, edit: tuple[str, float, int]
) -> None:
    read_cached(source)
    entry = cached_path(source, folder)
    good = entry.read_bytes()
    entry.write_bytes(edited(good, [edit]))
    assert same(read_cached(source), table_of())
    assert entry.read_bytes() == good


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x08", id="one byte"),
        pytest.param((2**63).to_bytes(8, "little"), id="a header of 2**63 bytes"),
        pytest.param((60_000).to_bytes(8, "little") + b"[" * 60_000, id="deep JSON"),
        pytest.param((2).to_bytes(8, "little") + b"[]", id="a list"),
        pytest.param((2).to_bytes(8, "little") + b"{}", id="no facts"),
        pytest.param(b'\x14\0\0\0\0\0\0\0{"__metadata__":null}', id="facts are null"),
        pytest.param(b'\x1d\0\0\0\0\0\0\0{"__metadata__":{"rows":"x"}}', id="rows are no number"),
        pytest.param(b'\x1e\0\0\0\0\0\0\0{"__metadata__":{"rows":"-1"}}', id="negative rows"),
    ],
)
def test_a_foreign_file_is_replaced(
    folder: Path, source: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    folder.mkdir(parents=True)
    cached_path(source, folder).write_bytes(content)
    table, log = use_is_logged(caplog, source)
    assert same(table, table_of())
    assert "data.csv is read instead: it" in log
    assert use_is_logged(caplog, source)[1] == ""


def test_somebody_elses_tensors_are_replaced(folder: Path, source: Path) -> None:
    folder.mkdir(parents=True)
    save_file({"images": table_of().images}, cached_path(source, folder))
    assert same(read_cached(source), table_of())


def test_a_file_of_a_newer_version_is_replaced(
    folder: Path, source: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = cached_path(source, folder)
    monkeypatch.setattr(cache_entry, "FORMAT_VERSION", 2)
    read_cached(source)
    newer = cached_path(source, folder)
    assert newer != entry
    monkeypatch.undo()
    monkeypatch.setenv("FMNISTLAB_CACHE", str(folder))
    newer.rename(entry)
    table, log = use_is_logged(caplog, source)
    assert same(table, table_of())
    assert "of another version" in log
    header = entry.read_bytes()[8:].split(b"}", 1)[0] + b"}}"
    assert json.loads(header)["__metadata__"]["version"] == "1"


def test_a_folder_in_place_of_the_file_only_costs_time(
    folder: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cached_path(source, folder).mkdir(parents=True)
    table, log = use_is_logged(caplog, source)
    assert same(table, table_of())
    assert "cannot be written, so the next read is slow too: it is a folder" in log


# --- where it is kept -----------------------------------------------------------------------------


def test_the_user_folder_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FMNISTLAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == Path(platformdirs.user_cache_dir("fmnistlab", appauthor=False))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "fmnistlab"


def test_the_variable_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMNISTLAB_CACHE", "~/there")
    assert cache_folder() == Path.home() / "there"


@pytest.mark.parametrize("value", ["", "off", " OFF "])
def test_the_cache_can_be_switched_off(
    here: Path, source: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FMNISTLAB_CACHE", value)
    assert cache_folder() is None
    assert same(read_cached(source), table_of())
    assert list(here.iterdir()) == [source]


def test_a_folder_that_cannot_be_made_only_costs_time(
    source: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FMNISTLAB_CACHE", str(source / "below" / "a file"))
    for _ in range(2):
        table, log = use_is_logged(caplog, source)
        assert same(table, table_of())
        assert "is not used as a cache, so each read is slow: Not a directory" in log


def test_a_full_disk_only_costs_time(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "large.csv"
    write_csv(source, table_of(2000).images, table_of(2000).labels)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, hard))
    try:
        table, log = use_is_logged(caplog, source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert same(table, table_of(2000))
    assert "File too large" in log
    assert not entries(folder)


@pytest.mark.parametrize("path", ["nowhere.csv", ".", "a\0b"])
def test_what_cannot_be_read_is_named_as_without_a_cache(
    folder: Path, here: Path, path: str
) -> None:
    with pytest.raises(DataFileError) as caught:
        read_cached(path)
    with pytest.raises(DataFileError) as direct:
        read_csv(path)
    assert str(caught.value) == str(direct.value)


def test_a_source_that_cannot_be_opened_is_named(folder: Path) -> None:
    with pytest.raises(DataFileError, match=r"mem: cannot be read: Input/output error"):
        read_cached("/proc/self/mem")


# --- many processes -------------------------------------------------------------------------------

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
