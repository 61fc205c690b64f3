"""A process saves a state of 600 kB, ten tensors that all hold the number of the save, again and
again without a pause, and is killed by SIGKILL at a random moment. Another process then loads what
is there. "Good" is one whole state, the last one or one before it; "unreadable" is an error;
"mixed" is a state made of two saves, loaded without a word. This is the chance of damage if a kill
lands while saving; it says nothing of power cuts.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.candidates import KERAS, Candidate
from benchmarks.faults.forked import Forked, run_forked
from benchmarks.faults.problems import HarnessError
from benchmarks.faults.results import Row
from fmnistlab.foundation.tables import Cell, Column, markdown_table

TITLE = "Killed while saving: is there a whole state?"
TRIALS = 100
SEEDED = True

SAVES_TIMED = 20
"""Saves that are timed before the first trial."""

SAVES_AT_MOST = 10
"""A kill comes after no more time than so many saves take."""

CANDIDATES = [
    Candidate(
        "fmnistlab",
        "encode_checkpoint, write_checkpoint",
        "savers.fmnistlab:Fmnistlab",
        ("fmnistlab",),
    ),
    Candidate("torch", "torch.save(path), in place", "savers.torch_save:InPlace", ("torch",)),
    Candidate(
        "torch",
        "torch.save to a temporary file, os.replace",
        "savers.torch_save:Replaced",
        ("torch",),
    ),
    Candidate(
        "torch", "torch.distributed.checkpoint, same folder", "savers.distributed:Same", ("torch",)
    ),
    Candidate("safetensors", "save_file(path)", "savers.safetensors:Safetensors", ("safetensors",)),
    Candidate("ignite", "DiskSaver", "savers.ignite:Ignite", ("ignite",)),
    Candidate(
        "Lightning",
        "Fabric.save, TMPDIR on the same file system",
        "savers.lightning:SameFileSystem",
        ("lightning",),
    ),
    Candidate(
        "Lightning",
        "Fabric.save, TMPDIR on another file system",
        "savers.lightning:OtherFileSystem",
        ("lightning",),
    ),
    Candidate("skorch", "save_params, three files", "savers.skorch:Skorch", ("skorch",)),
    Candidate("Accelerate", "save_state, same folder", "savers.accelerate:Same", ("accelerate",)),
    Candidate(
        "Accelerate",
        "save_state, automatic_checkpoint_naming",
        "savers.accelerate:Numbered",
        ("accelerate",),
    ),
    Candidate(
        "Keras on torch",
        "save_weights",
        "savers.keras:Weights",
        ("keras", "torch"),
        variables=KERAS,
    ),
    Candidate(
        "Keras on torch",
        "BackupAndRestore(double_checkpoint=True)",
        "savers.keras:Backup",
        ("keras", "torch"),
        variables=KERAS,
    ),
    Candidate(
        "Poutyne",
        "ModelCheckpoint and the others of ModelBundle, four files",
        "savers.poutyne:Poutyne",
        ("poutyne",),
    ),
]


def measure(candidate: Candidate, trials: int, seed: int) -> dict[str, Any]:
    """Returns how many states were good, unreadable and mixed.

    Raises:
        HarnessError: saving or loading fails without a kill.
        NotPossibleError: this machine lacks what the way to save takes.
    """
    kind = candidate.kind()
    kind.check()
    seconds = _seconds_per_save(kind)
    verdicts: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    saves: list[float] = []
    for trial in range(trials):
        delay = random.Random(f"{seed} {trial}").uniform(0, SAVES_AT_MOST * seconds)
        with tempfile.TemporaryDirectory() as folder:
            _kill_while_saving(kind, Path(folder), delay)
            ending = run_forked(lambda: kind(Path(folder)).load())
        if ending.complaint is not None:
            verdicts["unreadable"] += 1
            errors[ending.complaint.partition(":")[0]] += 1
        elif len(ending.result) == 1 and ending.result[0] >= 0:
            verdicts["good"] += 1
            saves += ending.result
        else:
            verdicts["mixed"] += 1
    found = {name: verdicts[name] for name in ("good", "unreadable", "mixed")}
    return {
        **found,
        "errors": dict(errors),
        "seconds_per_save": round(seconds, 6),
        "saves_before_the_kill": statistics.median(saves) if saves else None,
    }


def table(rows: Sequence[Row]) -> str:
    """Returns one line for each way to save."""
    verdicts = ("good", "unreadable", "mixed")
    lines: list[list[Cell]] = []
    for row in rows:
        if row.status != "measured":
            lines.append([row.peer, row.way, row.status, "", "", row.reason])
            continue
        counts = [row.result[name] for name in verdicts]
        errors = ", ".join(f"{name} {count}" for name, count in row.result["errors"].items())
        lines.append([row.peer, row.way, *counts, errors])
    counted = [Column(name, right=True) for name in verdicts]
    return markdown_table(["peer", "how", *counted, "errors"], lines)


def _seconds_per_save(kind: Callable[[Path], Any]) -> float:
    """Returns what a save takes; checks on the way that what was saved can be loaded."""
    with tempfile.TemporaryDirectory() as folder:

        def time_saves() -> float:
            saver = kind(Path(folder))
            saver.save(0)
            started = time.perf_counter()
            for number in range(1, SAVES_TIMED + 1):
                saver.save(number)
            return (time.perf_counter() - started) / SAVES_TIMED

        timed = run_forked(time_saves)
        if timed.complaint is not None:
            raise HarnessError(f"saving failed without a kill: {timed.complaint}")
        loaded = run_forked(lambda: kind(Path(folder)).load())
    if loaded.complaint is not None:
        raise HarnessError(f"loading failed without a kill: {loaded.complaint}")
    if loaded.result != [SAVES_TIMED]:
        raise HarnessError(f"save {SAVES_TIMED} was loaded as {loaded.result}")
    return float(timed.result)


def _kill_while_saving(kind: Callable[[Path], Any], folder: Path, delay: float) -> None:
    """Kills a process so many seconds after its first save."""
    reader, writer = os.pipe()

    def save_forever() -> None:
        saver = kind(folder)
        saver.save(0)
        os.write(writer, b"s")
        number = 0
        while True:
            number += 1
            saver.save(number)

    process = Forked(save_forever)
    os.close(writer)
    begun = os.read(reader, 1)
    os.close(reader)
    if begun:
        time.sleep(delay)
        process.kill()
    ending = process.wait()
    if not begun or ending.error is not None:
        raise HarnessError(f"saving ended before the kill: {ending.complaint}")
