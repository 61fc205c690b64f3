"""A good file of 600 kB of random weights is damaged as disks and copies damage files: one bit is
flipped, 4 KiB become zeros, or the end is cut off, at a random place. Then it is loaded. "Noticed"
is an error; "wrong" is other content, loaded without a word; "equal" is the right content, since
the damage hit nothing that counts. What writes torch.save's or safetensors' own files (ignite,
skorch, Poutyne, Accelerate) reads them as these do.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.candidates import KERAS, Candidate
from benchmarks.faults.forked import run_forked
from benchmarks.faults.problems import HarnessError
from benchmarks.faults.results import Row
from fmnistlab.foundation.tables import Column, markdown_table

TITLE = "Damaged files: noticed, or loaded wrong?"
TRIALS = 200
SEEDED = True

BLOCK = 4096
"""Bytes that are zeroed at once."""

CANDIDATES = [
    Candidate("fmnistlab", "decode_checkpoint", "formats.fmnistlab:Fmnistlab", ("fmnistlab",)),
    Candidate("torch", "torch.load(weights_only=True)", "formats.torch_save:TorchSave", ("torch",)),
    Candidate("safetensors", "load_file", "formats.safetensors:Safetensors", ("safetensors",)),
    Candidate(
        "Lightning",
        "Trainer.save_checkpoint, load_from_checkpoint",
        "formats.lightning:Lightning",
        ("lightning",),
    ),
    Candidate(
        "Keras on torch",
        "load_weights of a .weights.h5 file",
        "formats.keras:Keras",
        ("keras", "torch"),
        variables=KERAS,
    ),
]


def flip_bit(data: bytes, chooser: random.Random) -> bytes:
    """Returns the data with one bit flipped."""
    place = chooser.randrange(8 * len(data))
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def zero_block(data: bytes, chooser: random.Random) -> bytes:
    """Returns the data with 4 KiB of zeros somewhere."""
    place = chooser.randrange(len(data) - BLOCK)
    return data[:place] + bytes(BLOCK) + data[place + BLOCK :]


def cut(data: bytes, chooser: random.Random) -> bytes:
    """Returns the beginning of the data, from nothing to all but one byte."""
    return data[: chooser.randrange(len(data))]


MUTATIONS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "one bit flipped": flip_bit,
    "4 KiB zeroed": zero_block,
    "cut off": cut,
}
OUTCOMES = ("noticed", "wrong", "equal", "crashed")


def measure(candidate: Candidate, trials: int, seed: int) -> dict[str, Any]:
    """Returns, for each kind of damage, how often it was noticed.

    Raises:
        HarnessError: the good file cannot be loaded, or not as it was saved.
    """
    kind = candidate.kind()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = run_forked(lambda: kind(folder).write(seed))
        read = run_forked(lambda: kind(folder).read())
        if written.complaint or read.complaint or written.result != read.result:
            raise HarnessError(f"the good file: written {written}, read {read}")
        path = folder / kind.name
        data = path.read_bytes()
        found = {}
        for mutation, damage in MUTATIONS.items():
            choosers = [random.Random(f"{seed} {mutation} {trial}") for trial in range(trials)]
            damaged = [damage(data, chooser) for chooser in choosers]
            found[mutation] = _read_all(kind, path, damaged, wanted=read.result)
        return found


def table(rows: Sequence[Row]) -> str:
    """Returns one line for each format; each cell has three or four numbers."""
    counts = [Column(f"{name}: noticed / wrong / equal", right=True) for name in MUTATIONS]
    lines = []
    for row in rows:
        if row.status != "measured":
            lines.append([row.peer, row.way, row.status, "", "", row.reason])
            continue
        cells = [_cell(row.result[name]) for name in MUTATIONS]
        errors: Counter[str] = Counter()
        for found in row.result.values():
            errors.update(found["errors"])
        named = ", ".join(f"{name} {count}" for name, count in errors.most_common())
        lines.append([row.peer, row.way, *cells, named])
    return markdown_table(["peer", "how", *counts, "errors"], lines)


def _cell(found: dict[str, Any]) -> str:
    text = f"{found['noticed']} / {found['wrong']} / {found['equal']}"
    return f"{text}, {found['crashed']} crashed" if found["crashed"] else text


def _read_all(kind: Any, path: Path, damaged: Iterable[bytes], wanted: str) -> dict[str, Any]:
    """Reads damaged files, each in a process of its own, and counts what comes of it."""
    outcomes: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for content in damaged:
        path.write_bytes(content)
        ending = run_forked(lambda: kind(path.parent).read())
        if ending.killed_by is not None:
            outcomes["crashed"] += 1
            errors[str(ending.complaint)] += 1
        elif ending.error is not None:
            outcomes["noticed"] += 1
            errors[ending.error.partition(":")[0]] += 1
        else:
            outcomes["equal" if ending.result == wanted else "wrong"] += 1
    return {**{name: outcomes[name] for name in OUTCOMES}, "errors": dict(errors)}
