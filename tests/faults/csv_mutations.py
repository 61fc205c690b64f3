"""Random damage of a CSV file: the data as it was, or an error, never other data."""

from __future__ import annotations

import random
import re
import tempfile
from pathlib import Path

import numpy as np
import torch
from tests.faults.score import Drill, Score
from tests.faults.side_by_side import tried
from tests.faults.small_csv import cells_of, make_rows, same, table_of, text_of
from tests.strategies import edited

from fmnistlab.data.content_hash import fingerprint
from fmnistlab.data.csv_file import FashionTable
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.errors import DataFormatError

ROWS = 3
_KINDS = ("replace", "insert", "delete", "cut", "double")
_TELLING = b'0123456789,\n\r" -.\0\xef\xbb\xbf;\te+_'
_CELL = re.compile(rb'("?)(0|[1-9][0-9]{0,2})\1')


def run(trials: int, seed: int) -> Score:
    """Changes a good file in one to three places and reads it, with and without `expect`."""
    rows = make_rows(ROWS, seed)
    whole = table_of(rows)
    expect = fingerprint(whole.images, whole.labels)
    content = text_of(cells_of(rows)).encode()

    def one(number: int, score: Score) -> None:
        edits = _edits(random.Random(f"{seed} {number}"))
        text = edited(content, edits)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "data.csv")
            path.write_bytes(text)
            end, good = _judge(path, text, whole, expect)
        score.figures[end] += 1
        score.count(good=good, trial=f"trial {number} of seed {seed}, {edits}: {end}")

    score = tried(one, trials, each=100)
    ends = score.figures.most_common()
    score.notes.append(", ".join(f"{count:,} {end}" for end, count in ends))
    return score


def _edits(chooser: random.Random) -> list[tuple[str, float, int]]:
    """One to three changes, as `edited` takes them; half of the bytes are telling ones."""
    return [
        (
            chooser.choice(_KINDS),
            chooser.random(),
            chooser.choice(_TELLING) if chooser.random() < 0.5 else chooser.randrange(256),
        )
        for _ in range(chooser.randint(1, 3))
    ]


def _judge(path: Path, text: bytes, whole: FashionTable, expect: str) -> tuple[str, bool]:
    """Returns how it ended, and whether it may end so."""
    try:
        found = _read(path)
    except DataFormatError as error:
        named = error.path == str(path) and bool(error.reason)
        return ("refused", True) if named else (f"refused without a reason: {error}", False)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is wrong
        return f"failed: {error!r}", False
    meaning = _plain_meaning(text)
    if meaning is None or not same(found, table_of(meaning)):
        return "read as something that the text does not say", False
    try:
        _read(path, expect)
    except DataFormatError as error:
        if same(found, whole) or "not what was expected" not in error.reason:
            return f"refused by expect although nothing changed: {error}", False
        return "legal but another, noticed by expect", True
    return ("read as before", True) if same(found, whole) else ("another, and not noticed", False)


def _read(path: Path, expect: str | None = None) -> FashionTable:
    data = FashionMNISTCSV(path, expect=expect, cache=False)
    return FashionTable(data.data.numpy(), data.targets.to(torch.uint8).numpy())


def _plain_meaning(text: bytes) -> np.ndarray | None:
    """Returns the rows that a text says, in the simplest way to tell; None if it is not legal."""
    lines = re.split(rb"\r?\n", text.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n"))
    if lines[0].replace(b'"', b"").startswith(b"label,"):
        lines = lines[1:]
    rows = []
    for line in lines:
        cells = [_CELL.fullmatch(cell) for cell in line.split(b",")]
        values = [int(cell[2]) for cell in cells if cell is not None]
        if len(values) != len(cells) or len(values) != 785 or max(values) > 255 or values[0] > 9:
            return None
        rows.append(values)
    return np.array(rows, np.uint8) if rows else None


DRILL = Drill("a CSV file changed at random is read as before or refused", run, 1_000, 10_000)
