"""A cached file is believed only if it is exactly what would be written for its source."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.cache_scene import (
    TABLE,
    Scene,
    facts_of,
    file_of,
    forged,
    hashed,
    layout_of,
    make_scene,
)
from tests.faults.small_csv import make_rows, same, table_of

from fmnistlab.data import cache_entry
from fmnistlab.data.cache import read_cached
from fmnistlab.data.cache_entry import UnusableError
from fmnistlab.data.csv_file import FashionTable, write_csv


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A source that was read once."""
    scene = make_scene(tmp_path, monkeypatch)
    assert scene.reads_right()
    return scene


def assert_rebuilt(scene: Scene, content: bytes) -> None:
    good = scene.entry.read_bytes()
    assert content != good
    scene.entry.write_bytes(content)
    with pytest.raises(UnusableError):
        cache_entry.load(scene.entry, 10**6)
    assert scene.reads_right()
    assert scene.entry.read_bytes() == good


def test_the_forger_of_these_tests_knows_the_format(scene: Scene) -> None:
    assert forged(facts_of(scene.entry)) == scene.entry.read_bytes()
    other = FashionTable(255 - TABLE.images, TABLE.labels)
    scene.entry.write_bytes(forged(facts_of(scene.entry), other))
    assert same(read_cached(scene.source), other)  # its owner can do that


# --- contents -------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [10, 250, 255])
@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_label_out_of_range_is_not_believed(scene: Scene, label: int, row: int) -> None:
    labels = TABLE.labels.copy()
    labels[row] = label
    assert_rebuilt(scene, forged(facts_of(scene.entry), FashionTable(TABLE.images, labels)))


@pytest.mark.parametrize("more", [b"\0", b"\n", bytes(785)])
def test_a_file_with_more_at_its_end_is_not_believed(scene: Scene, more: bytes) -> None:
    assert_rebuilt(scene, scene.entry.read_bytes() + more)


def test_a_file_of_no_rows_is_not_believed(scene: Scene) -> None:
    empty = FashionTable(TABLE.images[:0], TABLE.labels[:0])
    assert_rebuilt(scene, forged(facts_of(scene.entry) | {"rows": "0"}, empty))


def test_a_file_larger_than_its_source_can_be_takes_no_memory(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    rows = 10**10  # 7.8 TB, none of it on the disk
    facts = hashed(facts_of(scene.entry) | {"rows": str(rows)})
    header = file_of(json.dumps(layout_of(facts, rows)).encode())[: -3 * 785]
    scene.entry.write_bytes(header)
    os.truncate(scene.entry, len(header) + rows * 785)
    with caplog.at_level(logging.DEBUG, "fmnistlab"):
        assert scene.reads_right()
    assert "it holds more than its source can" in caplog.text


# --- headers --------------------------------------------------------------------------------------

ODD_NUMBERS = [
    "+3", "\uff13", "\u0663", "0_3", "03", " 3", "3 ", "3\n", "3.0", "3e0", "-3", "-0", "0x3", "",
    "x", "1" * 21, "9" * 5000, "NaN", "\xb2",
]  # fmt: skip


@pytest.mark.parametrize("rows", [*ODD_NUMBERS, 3, 3.0, True, None, ["3"], {"3": 3}], ids=repr)
def test_rows_that_are_not_written_as_here_are_not_believed(scene: Scene, rows: object) -> None:
    assert_rebuilt(scene, forged({**facts_of(scene.entry), "rows": rows}))


@pytest.mark.parametrize(
    "name", ["source_size", "source_modified_ns", "source_changed_ns", "source_inode", "version"]
)
@pytest.mark.parametrize("number", [*ODD_NUMBERS[:12], 3, None], ids=repr)
def test_no_number_may_be_written_in_another_way(scene: Scene, name: str, number: object) -> None:
    if number == "-3" and name != "version":
        return  # legal, and only outdated
    assert_rebuilt(scene, forged({**facts_of(scene.entry), name: number}))


@pytest.mark.parametrize(
    "changes",
    [
        {"settled": "True"},
        {"settled": "yes"},
        {"settled": True},
        {"source_sha256": "A" * 64},
        {"source_sha256": "0" * 63},
        {"source_sha256": "0" * 64 + "\n"},
        {"source": ""},
        {"source": None},
        {"format": "fmnistlab.tables"},
        {"format": "fmnistlabXtable"},
        {"version": "0"},
        {"version": "2"},
        {"one more": "fact"},
        {"__metadata__": "{}"},
    ],
    ids=repr,
)
def test_no_fact_may_be_another(scene: Scene, changes: dict[str, object]) -> None:
    assert_rebuilt(scene, forged({**facts_of(scene.entry), **changes}))


@pytest.mark.parametrize("name", ["source", "source_inode", "settled", "format", "rows"])
def test_no_fact_may_be_missing(scene: Scene, name: str) -> None:
    facts = facts_of(scene.entry)
    del facts[name]
    assert_rebuilt(scene, forged(facts))


def test_the_facts_have_one_order(scene: Scene) -> None:
    facts = facts_of(scene.entry)
    assert_rebuilt(scene, forged(dict(reversed(facts.items()))))


def header_of(scene: Scene) -> str:
    return json.dumps(layout_of(hashed(facts_of(scene.entry))))


HEADERS = {
    "a key of the facts twice": lambda text: text.replace('"rows"', '"rows": "7", "rows"'),
    "the facts twice": lambda text: '{"__metadata__": {}, ' + text[1:],
    "an array twice": lambda text: text[:-1] + ', "labels": ' + text.split('"labels": ')[1],
    "one more array": lambda text: text[:-1] + ', "more": {}}',
    "another shape": lambda text: text.replace("[3, 28, 28]", "[3, 14, 56]"),
    "another type": lambda text: text.replace("U8", "I8"),
    "overlapping arrays": lambda text: text.replace("[2352, 2355]", "[0, 3]"),
    "a space": lambda text: text.replace(", ", ",  ", 1),
    "a byte order mark": lambda text: "\ufeff" + text,
    "another encoding": lambda text: text.encode("utf-16"),
    "a wide encoding": lambda text: text.encode("utf-32"),
    "bytes that are no text": lambda text: text.encode().replace(b"data.csv", b"data\xff.csv"),
    "half a character": lambda text: text.encode() + b"\xc3",
    "an overlong character": lambda text: text.encode().replace(b"data.", b"data\xc0\xae"),
    "a letter not escaped": lambda text: text.replace("data.csv", "däta.csv"),
    "an escape without need": lambda text: text.replace("data.csv", "d\\u0061ta.csv"),
    "deep lists": lambda text: text[:-1] + ', "more": ' + "[" * 30_000 + "]" * 30_000 + "}",
    "deep objects": lambda text: text[:-1] + ', "more": ' + '{"a":' * 9_000 + "1" + "}" * 9_001,
    "deep lists without end": lambda text: "[" * 65_000,
    "a long number": lambda text: text.replace("[3]", "[" + "3" * 50_000 + "]"),
    "not a number": lambda text: text.replace("[3]", "[NaN]"),
    "infinity": lambda text: text.replace("[3]", "[Infinity]"),
    "a float": lambda text: text.replace("[3]", "[3.0]"),
    "a string": lambda text: '"__metadata__"',
    "a number": lambda text: "3",
    "facts as a string": lambda text: '{"__metadata__": "rows"}',
    "facts as a list": lambda text: '{"__metadata__": ["rows"]}',
    "nothing": lambda text: "",
    "NUL": lambda text: "\0" * 800,
}


@pytest.mark.parametrize("kind", HEADERS)
def test_no_header_may_be_another(scene: Scene, kind: str) -> None:
    text = HEADERS[kind](header_of(scene))
    assert_rebuilt(scene, file_of(text if isinstance(text, bytes) else text.encode()))


_TEXTS = st.text(max_size=30) | st.integers().map(str) | st.sampled_from(ODD_NUMBERS)
_VALUES = _TEXTS | st.none() | st.booleans() | st.integers() | st.lists(st.integers(), max_size=2)


@settings(max_examples=60)
@given(data=st.data())
def test_no_change_of_a_header_gives_other_arrays(scene: Scene, data: st.DataObject) -> None:
    """Even where the hash is made right again, whether the source was touched or not."""
    facts: dict[str, object] = dict(facts_of(scene.entry))
    names = st.sampled_from([*cache_entry._FACTS]) | st.text(max_size=10)
    facts |= data.draw(st.dictionaries(names, _VALUES, min_size=1, max_size=3))
    rows = data.draw(st.sampled_from([3, 3, 1, 2, 0, -3, 2**64, "3"]) | _VALUES)
    scene.entry.write_bytes(file_of(json.dumps(layout_of(hashed(facts), rows)).encode()))
    if data.draw(st.booleans()):
        os.utime(scene.source)
    assert scene.reads_right()
    assert scene.reads_right()


# --- after it was read ----------------------------------------------------------------------------


def test_what_was_read_stays_when_the_file_is_cut_or_changed(scene: Scene) -> None:
    """A mapped file would end the process here, by a signal, when its pages are touched."""
    table = read_cached(scene.source)
    with scene.entry.open("r+b") as stream:
        stream.seek(-1000, os.SEEK_END)
        stream.write(b"\7" * 1000)
    assert same(table, TABLE)
    os.truncate(scene.entry, 0)
    assert same(table, TABLE)
    scene.entry.unlink()
    assert same(table, TABLE)


def test_a_file_that_is_cut_while_it_is_read_is_not_used(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = table_of(make_rows(40, seed=1))  # more than is read together with the header
    write_csv(scene.source, large.images, large.labels)
    read_cached(scene.source)
    real = cache_entry._filled

    def cut_and_read(blocks: Iterator[np.ndarray], stream: BinaryIO) -> Iterator[np.ndarray]:
        os.truncate(scene.entry, 20_000)  # its size was right a moment ago
        return real(blocks, stream)

    monkeypatch.setattr(cache_entry, "_filled", cut_and_read)
    with pytest.raises(UnusableError, match="it was cut off while it was read"):
        cache_entry.load(scene.entry, 10**6)
    assert same(read_cached(scene.source), large)
