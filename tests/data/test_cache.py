"""The cache gives what the file gives, or is not used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tests.data.cached_source import entries, table_of, use_is_logged
from tests.faults.small_csv import same
from tests.strategies import edited

from fmnistlab.data import cache, cache_entry
from fmnistlab.data.cache import cached_path, read_cached
from fmnistlab.data.csv_file import FashionTable, read_csv, write_csv
from fmnistlab.errors import DataFileError, DataFormatError


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

    def read_and_remove(path: Path) -> FashionTable:
        table = read_csv(path)
        source.unlink()
        return table

    monkeypatch.setattr(cache, "read_csv", read_and_remove)
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


def test_foreign_tensors_are_replaced(folder: Path, source: Path) -> None:
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


# --- the source cannot be read --------------------------------------------------------------------


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
