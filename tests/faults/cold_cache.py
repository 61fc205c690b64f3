"""Many processes at once that find no usable cached file: every one reads what the source says.

Three kinds of rounds take turns: in the first nothing is disturbed, and the source must be parsed
once for all; in the second some processes are killed at random moments, and a successor of each
reads again; in the third locks do nothing, as on some network folders.
"""

from __future__ import annotations

import collections
import os
import random
import signal
import tempfile
import time
import unittest.mock
from pathlib import Path
from typing import NamedTuple

import filelock  # noqa: F401 - imported before the forks, as in a process that did some work
import pandas  # noqa: F401, ICN001 - loaded before any fork
from tests.faults.children import Child
from tests.faults.score import Drill, Score
from tests.faults.small_csv import make_rows, same, table_of

from fmnistlab.data import cache
from fmnistlab.data.cache import cached_path, read_cached
from fmnistlab.data.csv_file import FashionTable, read_csv, write_csv

_FEW, _MANY = 8, 32
_ROWS = 300
_KINDS = ("undisturbed", "killed", "no locks")
_STARTS = ("no file", "a damaged file", "an outdated file")


class _Round(NamedTuple):
    """One start of all processes.

    Attributes:
        kind: one of the three kinds of rounds.
        processes: how many there are.
        folder: has the source and the cache.
        truth: what the source says.
        start: what is in the cache before.
    """

    kind: str
    processes: int
    folder: Path
    truth: FashionTable
    start: str


class _Read(NamedTuple):
    """What a process reports: whether its table was right, and how often it parsed."""

    right: bool
    parsed: int


def run(trials: int, seed: int) -> Score:
    """Makes rounds of 8 processes, or of 32 if there are more than 100 trials."""
    score = Score()
    counts: collections.Counter[str] = collections.Counter()
    processes = _FEW if trials <= 100 else _MANY
    for number in range(-(-trials // processes)):
        chooser = random.Random(f"{seed} {number}")
        kind = _KINDS[number % len(_KINDS)]
        start = _STARTS[number // len(_KINDS) % len(_STARTS)]
        wanted = min(processes, trials - score.total)
        with (
            tempfile.TemporaryDirectory() as folder,
            unittest.mock.patch.dict(os.environ, {cache.FOLDER_VARIABLE: f"{folder}/cache"}),
        ):
            truth = _prepare(Path(folder), chooser, start)
            this = _Round(kind, wanted, Path(folder), truth, start)
            _count(score, counts, this, chooser, f"round {number} of seed {seed}")
    score.notes.append(
        f"{counts['killed']} processes were killed, {counts['killed while parsing']} of them while "
        f"they parsed; the source was parsed {counts['parsed undisturbed']} times in "
        f"{counts['undisturbed']} undisturbed rounds and {counts['parsed no locks']} times in "
        f"{counts['no locks']} rounds without locks"
    )
    return score


def _prepare(folder: Path, chooser: random.Random, start: str) -> FashionTable:
    """Writes the source and what is in the cache before."""
    source = folder / "data.csv"
    truth = table_of(make_rows(_ROWS, chooser.randrange(2**32)))
    if start != "no file":
        old = table_of(make_rows(_ROWS, chooser.randrange(2**32)))
        first = truth if start == "a damaged file" else old
        write_csv(source, first.images, first.labels)
        read_cached(source)
        if start == "a damaged file":
            entry = cached_path(source, folder / "cache")
            content = bytearray(entry.read_bytes())
            content[-1] ^= 1
            entry.write_bytes(content)
    if start != "a damaged file":
        write_csv(source, truth.images, truth.labels)
    return truth


def _count(
    score: Score,
    counts: collections.Counter[str],
    this: _Round,
    chooser: random.Random,
    name: str,
) -> None:
    """Makes one round and counts its reads, each of them once."""
    endings = _start_all(this, chooser)
    parsed = 0
    for index, (reported, killed) in enumerate(endings):
        found = reported
        what = f"{name}, {this.kind}, {this.start}, process {index}: {found}"
        if killed:
            counts["killed"] += 1
            counts["killed while parsing"] += (this.folder / f"parses-{index}").exists()
            found = Child(lambda: _read(this, -1)).wait().result  # a successor
            what = f"{name}, successor of the killed process {index}: {found}"
        once = True
        right = isinstance(found, _Read) and found.right
        if isinstance(found, _Read) and right and not killed:
            parsed += found.parsed
            once = this.kind != "undisturbed" or not found.parsed or parsed == 1
        score.count(good=right and once, trial=what if once else f"{what}, not the first to parse")
    counts[this.kind] += 1
    counts[f"parsed {this.kind}"] += parsed


def _start_all(this: _Round, chooser: random.Random) -> list[tuple[object, bool]]:
    """Returns what each process reported, and whether it was killed before it could."""
    gate, opener = os.pipe()  # all wait to read from it, until nobody can write to it
    children = []
    for index in range(this.processes):

        def wait_and_read(index: int = index) -> _Read:
            os.close(opener)
            os.read(gate, 1)
            return _read(this, index)

        children.append(Child(wait_and_read))
    os.close(gate)
    os.close(opener)
    if this.kind == "killed":
        _kill_some(children, this.folder, chooser)
    endings = [child.wait() for child in children]
    return [(ending.result or ending, ending.code == -signal.SIGKILL) for ending in endings]


def _kill_some(children: list[Child], folder: Path, chooser: random.Random) -> None:
    """Kills up to a third of the processes: half at any moment, half while they parse."""
    for number, victim in enumerate(chooser.sample(children, max(2, len(children) // 3))):
        delay = chooser.uniform(0, 0.005)
        if number % 2:
            time.sleep(delay)
            victim.signal(signal.SIGKILL)
        else:
            for index in _parsing(folder):
                time.sleep(delay)
                children[index].signal(signal.SIGKILL)


def _parsing(folder: Path) -> list[int]:
    """Returns which process parses now; waits for one a little, there may be none left."""
    deadline = time.monotonic() + 0.03
    while time.monotonic() < deadline:
        marks = sorted(folder.glob("parses-*"))
        if marks:
            return [int(mark.name.removeprefix("parses-")) for mark in marks[:1]]
    return []


def _read(this: _Round, index: int) -> _Read:
    """Runs in a process."""
    parsed = 0
    mark = this.folder / f"parses-{index}"

    def parse(path: str | os.PathLike[str]) -> FashionTable:
        nonlocal parsed
        parsed += 1
        mark.touch()
        table = read_csv(path)
        mark.unlink()
        return table

    if this.kind == "no locks":
        unittest.mock.patch("fcntl.flock", return_value=None).start()
    with unittest.mock.patch.object(cache, "read_csv", parse):
        table = read_cached(this.folder / "data.csv")
    return _Read(same(table, this.truth), parsed)


DRILL = Drill(
    "many processes on a cold cache, also when some are killed: each read right", run, 80, 1_600
)
