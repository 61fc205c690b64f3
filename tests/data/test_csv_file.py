"""Files that are legal are read exactly; containers are opened by what they hold."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import resource
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import edited

from fmnistlab.data import containers, csv_file
from fmnistlab.data.csv_file import FashionTable, csv_text, read_csv, write_csv
from fmnistlab.errors import ConfigurationError, DataFileError, DataFormatError
from fmnistlab.testing.strategies import csv_tables, csv_texts

HEADER = ",".join(["label", *(f"pixel{i}" for i in range(1, 785))]) + "\n"
SUFFIXES = [".csv", ".csv.gz", ".csv.xz", ".csv.bz2", ".csv.zip", ".zip", ".CSV.GZ"]


def plain_text(table: np.ndarray) -> bytes:
    return (HEADER + "".join(",".join(map(str, row)) + "\n" for row in table.tolist())).encode()


def as_table(rows: np.ndarray) -> FashionTable:
    return FashionTable(rows[:, 1:].reshape(-1, 28, 28), rows[:, 0].copy())


def assert_same(found: FashionTable, rows: np.ndarray) -> None:
    assert found.images.dtype == found.labels.dtype == np.uint8
    assert np.array_equal(found.images.reshape(-1, 784), rows[:, 1:])
    assert np.array_equal(found.labels, rows[:, 0])


def rows_of(count: int, seed: int = 0) -> np.ndarray:
    table = np.random.default_rng(seed).integers(0, 256, (count, 785), dtype=np.uint8)
    table[:, 0] %= 10
    return table


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zip": lambda text: zipped({"data.csv": text}),
    "stored zip": lambda text: zipped({"data.csv": text}, zipfile.ZIP_STORED),
    "zip from a Mac": lambda text: zipped(
        {"folder/": b"", "folder/data.csv": text, "__MACOSX/._data.csv": b"x", ".DS_Store": b"x"}
    ),
    "two gzip members": lambda text: gzip.compress(text[:99]) + gzip.compress(text[99:]),
    "two xz streams": lambda text: lzma.compress(text[:99]) + lzma.compress(text[99:]),
}


# --- what is read ---------------------------------------------------------------------------------


@settings(max_examples=40)
@given(rows=csv_tables(), suffix=st.sampled_from(SUFFIXES))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("written") / f"data{suffix}"
    table = as_table(rows)
    write_csv(path, table.images, table.labels)
    assert_same(read_csv(path), rows)


@settings(max_examples=60)
@given(case=csv_texts(), block=st.integers(1, 20_000), packer=st.sampled_from([*PACKERS]))
def test_every_way_to_write_a_table_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    case: tuple[np.ndarray, bytes],
    block: int,
    packer: str,
) -> None:
    rows, text = case
    path = tmp_path_factory.mktemp("legal") / "data"
    path.write_bytes(PACKERS[packer](text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "BLOCK_BYTES", block)
        assert_same(read_csv(path), rows)


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(lambda text: text.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda text: b"\xef\xbb\xbf" + text, id="byte order mark"),
        pytest.param(lambda text: text[:-1], id="no newline at the end"),
        pytest.param(lambda text: text[:-1] + b"\r", id="half a CRLF at the end"),
        pytest.param(lambda text: text + b"\n\r\n\n", id="blank lines at the end"),
        pytest.param(lambda text: text.replace(b",", b'","').replace(b"\n", b'"\n"')[:-1], id="x"),
        pytest.param(lambda text: text.replace(b"pixel784", b'"pixel784"'), id="one quoted name"),
        pytest.param(lambda text: text.split(b"\n", 1)[1], id="no header"),
    ],
)
def test_harmless_variants_are_read(tmp_path: Path, variant: Callable[[bytes], bytes]) -> None:
    rows = rows_of(3)
    text = variant(plain_text(rows))
    if b'","' in text:
        text = b'"' + text
    (tmp_path / "data.csv").write_bytes(text)
    assert_same(read_csv(tmp_path / "data.csv"), rows)


def test_a_header_may_count_from_zero(tmp_path: Path) -> None:
    rows = rows_of(2)
    header = "label," + ",".join(f"pixel{i}" for i in range(784))
    text = plain_text(rows).replace(HEADER.strip().encode(), header.encode())
    (tmp_path / "data.csv").write_bytes(text)
    assert_same(read_csv(tmp_path / "data.csv"), rows)


def test_large_files_are_read_in_blocks_by_several_threads(tmp_path: Path) -> None:
    rows = rows_of(6000)  # 17 MB, several blocks
    write_csv(tmp_path / "data.csv", as_table(rows).images, as_table(rows).labels)
    assert_same(read_csv(tmp_path / "data.csv"), rows)


def test_blocks_that_are_not_simple_are_read_between_simple_ones(tmp_path: Path) -> None:
    rows = rows_of(40)
    lines = plain_text(rows).split(b"\n")
    lines[20] = b'"' + lines[20].replace(b",", b'","') + b'"'
    (tmp_path / "data.csv").write_bytes(b"\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_file, "BLOCK_BYTES", 10_000)
        assert_same(read_csv(tmp_path / "data.csv"), rows)


def test_a_pipe_can_be_read(tmp_path: Path) -> None:
    rows = rows_of(3)
    reader, writer = os.pipe()
    os.write(writer, plain_text(rows))
    os.close(writer)
    assert_same(read_csv(f"/dev/fd/{reader}"), rows)
    os.close(reader)


# --- what is written ------------------------------------------------------------------------------


def test_the_text_is_as_kaggle_writes_it() -> None:
    rows = rows_of(4500)
    table = as_table(rows)
    assert b"".join(csv_text(table.images, table.labels)) == plain_text(rows)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    table = as_table(rows_of(3))
    write_csv(tmp_path / f"data{suffix}", table.images, table.labels)
    (tmp_path / "later").mkdir()
    write_csv(tmp_path / "later" / f"data{suffix}", table.images, table.labels)
    first = (tmp_path / f"data{suffix}").read_bytes()
    assert first == (tmp_path / "later" / f"data{suffix}").read_bytes()
    if suffix.lower().endswith("gz"):
        assert first[:9] == b"\x1f\x8b\x08\0\0\0\0\0\0"  # no name, no time
    assert len(list(tmp_path.iterdir())) == 2


def test_zip_archives_hold_a_csv_file_without_a_date(tmp_path: Path) -> None:
    table = as_table(rows_of(1))
    for name in ("data.zip", "data.csv.zip"):
        write_csv(tmp_path / name, table.images, table.labels)
        [member] = zipfile.ZipFile(tmp_path / name).infolist()
        assert (member.filename, member.date_time) == ("data.csv", (1980, 1, 1, 0, 0, 0))


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    table = as_table(rows_of(1))
    with pytest.raises(ConfigurationError, match=r"'\.csvv' is unknown.*Did you mean '\.csv'"):
        write_csv(tmp_path / "data.csvv", table.images, table.labels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", ["no rows", "too few labels", "label 10"])
def test_impossible_tables_are_not_written(tmp_path: Path, fault: str) -> None:
    table = as_table(rows_of(0 if fault == "no rows" else 2))
    labels = table.labels[:1] if fault == "too few labels" else table.labels.copy()
    if fault == "label 10":
        labels[1] = 10
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_csv(tmp_path / "data.csv", table.images, labels)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    table = as_table(rows_of(1))
    with pytest.raises(DataFileError, match=r"nowhere.*cannot be written: the folder"):
        write_csv(tmp_path / "nowhere" / "data.csv", table.images, table.labels)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"data{suffix}"
    path.write_bytes(b"old")
    table = as_table(rows_of(400))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(DataFileError, match="cannot be written: File too large"):
            write_csv(path, table.images, table.labels)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


# --- files that cannot be opened ------------------------------------------------------------------


def test_a_missing_file_is_named_with_a_near_one_and_the_bundled_data(tmp_path: Path) -> None:
    (tmp_path / "fashion-mnist_train.csv.gz").write_bytes(b"")
    with pytest.raises(DataFileError, match=r"no such file.*csv\.gz'\?.*bundled") as caught:
        read_csv(tmp_path / "fashion-mnist_train.csv")
    assert isinstance(caught.value, OSError)


def test_a_missing_folder_and_an_impossible_name_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="no such file"):
        read_csv(tmp_path / "nowhere" / "data.csv")
    with pytest.raises(DataFileError, match=r"cannot be opened: .*null"):
        read_csv("a\0b")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataFileError, match="cannot be opened: Not a directory"):
        read_csv(tmp_path / "file" / "data.csv")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="is a folder"):
        read_csv(tmp_path)


def test_a_disk_that_cannot_be_read_is_no_fault_of_the_format() -> None:
    with pytest.raises(DataFileError, match="cannot be read: Input/output error"):
        read_csv("/proc/self/mem")


# --- containers that are damaged ------------------------------------------------------------------

PACKED = [name for name in PACKERS if name != "plain"]


@pytest.mark.parametrize("packer", ["gzip", "xz", "bzip2", "zip", "stored zip"])
def test_a_container_that_is_cut_off_anywhere_is_refused(tmp_path: Path, packer: str) -> None:
    whole = PACKERS[packer](plain_text(rows_of(2)))
    path = tmp_path / "data"
    for length in [*range(1, 30), *range(30, len(whole), len(whole) // 40), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(DataFormatError) as caught:
            read_csv(path)
        assert caught.value.path == str(path)


@settings(max_examples=300)
@given(
    packer=st.sampled_from(PACKED),
    place=st.floats(0, 1, exclude_max=True),
    byte=st.integers(0, 255),
    kind=st.sampled_from(["replace", "insert", "delete", "cut"]),
)
def test_a_damaged_container_never_gives_other_data(
    tmp_path_factory: pytest.TempPathFactory, packer: str, place: float, byte: int, kind: str
) -> None:
    rows = rows_of(2)
    path = tmp_path_factory.mktemp("damaged") / "data"
    path.write_bytes(edited(PACKERS[packer](plain_text(rows)), [(kind, place, byte)]))
    with contextlib.suppress(DataFormatError):
        assert_same(read_csv(path), rows)


def test_damage_explains_odd_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", 10_000)
    packed = bytearray(zipped({"data.csv": plain_text(rows_of(500))}, zipfile.ZIP_STORED))
    packed[20_000] = ord("x")
    (tmp_path / "data.zip").write_bytes(packed)
    with pytest.raises(DataFormatError, match=r"is damaged: its zip data cannot be read.*CRC"):
        read_csv(tmp_path / "data.zip")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        pytest.param({}, "with no file", id="empty"),
        pytest.param({"folder/": b""}, "with no file", id="only a folder"),
        pytest.param({"a": b"", "b": b""}, r"with 2 files \('a', 'b'\)", id="two"),
        pytest.param(dict.fromkeys("abcdef", b""), r"with 6 files .*'d', \.\.\.\)", id="six"),
    ],
)
def test_a_zip_archive_must_hold_a_single_file(
    tmp_path: Path, members: dict[str, bytes], reason: str
) -> None:
    (tmp_path / "data.zip").write_bytes(zipped(members))
    with pytest.raises(DataFormatError, match=reason):
        read_csv(tmp_path / "data.zip")


def test_an_encrypted_zip_archive_says_so(tmp_path: Path) -> None:
    packed = bytearray(zipped({"data.csv": plain_text(rows_of(1))}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "data.zip").write_bytes(packed)
    with pytest.raises(DataFormatError, match="encrypted zip archive; unpack it with its pass"):
        read_csv(tmp_path / "data.zip")


def test_an_unknown_way_of_packing_is_refused(tmp_path: Path) -> None:
    packed = bytearray(zipped({"data.csv": plain_text(rows_of(1))}))
    packed[8] = packed[packed.index(b"PK\x01\x02") + 10] = 97
    (tmp_path / "data.zip").write_bytes(packed)
    with pytest.raises(DataFormatError, match="compression method"):
        read_csv(tmp_path / "data.zip")


def test_a_file_that_was_packed_twice_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(gzip.compress(lzma.compress(plain_text(rows_of(1)))))
    with pytest.raises(DataFormatError, match="compressed twice"):
        read_csv(tmp_path / "data")


# --- files made to fill the memory ----------------------------------------------------------------


def peak_of_refused(path: Path, reason: str) -> int:
    """Returns the most memory that was taken, in bytes, until the file was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(DataFormatError, match=reason):
            read_csv(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_one_line_of_a_gigabyte_is_refused_at_once(tmp_path: Path) -> None:
    with (tmp_path / "data.csv").open("wb") as stream:
        stream.write(b"1,2")
        stream.truncate(2**30)
    assert peak_of_refused(tmp_path / "data.csv", "line 1: is longer than 16,384") < 2**26


def test_a_gigabyte_of_blank_lines_is_refused_at_once(tmp_path: Path) -> None:
    text = plain_text(rows_of(1)) + b"\n" * 20_000
    (tmp_path / "data.csv").write_bytes(text)
    with pytest.raises(DataFormatError, match="line 3: is blank"):
        read_csv(tmp_path / "data.csv")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"9" * 10**6 + b",0" * 784 + b"\n", id="a million digits"),
        pytest.param(b"0,0" + b",0" * 10**7 + b"\n", id="ten million columns"),
    ],
)
def test_monstrous_rows_are_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(plain_text(rows_of(2)) + text + plain_text(rows_of(2)))
    assert peak_of_refused(path, "line 4: is longer than 16,384") < 2**27


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_a_small_file_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(containers, "FREE_EXPANSION", 2**22)
    path = tmp_path / "data"
    path.write_bytes(pack((b"0" + b",0" * 784 + b"\n") * 6_000))  # 9 MB of legal text
    assert peak_of_refused(path, "expands to more than 100 times") < 2**26
    path.write_bytes(pack(bytes(10**7)))
    assert peak_of_refused(path, "expands to more than 100 times") < 2**26


def test_a_large_file_may_expand_as_images_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "FREE_EXPANSION", 1000)
    rows = rows_of(3)
    (tmp_path / "data").write_bytes(gzip.compress(plain_text(rows)))
    assert_same(read_csv(tmp_path / "data"), rows)


def test_reading_takes_little_more_memory_than_the_images(tmp_path: Path) -> None:
    rows = rows_of(12_000)  # 9 MB as images, 34 MB as text
    write_csv(tmp_path / "data.csv", as_table(rows).images, as_table(rows).labels)
    read_csv(tmp_path / "data.csv")  # imports pandas
    tracemalloc.start()
    try:
        found = read_csv(tmp_path / "data.csv")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.labels.tobytes() == rows[:, 0].tobytes()
    threads = min(4, os.cpu_count() or 1)
    assert peak < 2 * rows.nbytes + (threads + 2) * 6 * csv_file.BLOCK_BYTES
