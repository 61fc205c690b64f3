"""The power fails at any moment of a save: the old or the new checkpoint is there, whole.

A save is recorded as the list of its writes, flushes and renames. A disk that loses its power has
done everything before the last flush of a file or folder, and of what came later any part: a write
may be there, be missing, or be cut; a rename may be there although the content of the file is not.
Each such state is built as a real folder and read.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.faults import trial
from tests.faults.score import Drill, Score

from fmnistlab.training.callbacks.checkpointing import Checkpointing
from fmnistlab.training.checkpoints.folder import newest_checkpoint


class Action(NamedTuple):
    """Something that a save asked of the file system.

    Attributes:
        kind: "write", "flush", "rename" or "flush folder".
        path: the file, by its name alone.
        content: what was written, or the new name.
    """

    kind: str
    path: str
    content: Any = None


class _Recorded(io.BytesIO):
    """Stands for the file of a save; what is written becomes one action for each block."""

    def __init__(self, log: list[Action], name: str, handle: int) -> None:
        super().__init__()
        self._log, self._name, self._handle = log, name, handle

    def write(self, data: Any) -> int:
        for start in range(0, len(data), 4096 * 8):
            self._log.append(Action("write", self._name, bytes(data[start : start + 4096 * 8])))
        return os.write(self._handle, data)

    def fileno(self) -> int:
        return self._handle


@contextlib.contextmanager
def recorded() -> Iterator[list[Action]]:
    """Records what `write_atomically` asks of the file system inside the block."""
    log: list[Action] = []
    names: dict[int, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        make, flush, rename = os.open, os.fsync, os.replace

        def made(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            handle = make(path, flags, *arguments, **options)
            if flags & os.O_CREAT:
                names[handle] = Path(path).name
            return handle

        @contextlib.contextmanager
        def opened(handle: int, _mode: str) -> Iterator[_Recorded]:
            yield _Recorded(log, names[handle], handle)
            os.close(handle)
            del names[handle]  # the number may be given to a folder next

        def flushed(handle: int) -> None:
            flush(handle)
            name = names.get(handle)
            log.append(Action("flush folder", "") if name is None else Action("flush", name))

        def renamed(old: Any, new: Any, **_: Any) -> None:
            rename(old, new)
            log.append(Action("rename", Path(old).name, Path(new).name))

        patch.setattr(os, "open", made)
        patch.setattr(os, "fdopen", opened)
        patch.setattr(os, "fsync", flushed)
        patch.setattr(os, "replace", renamed)
        yield log


def states(
    before: dict[str, bytes], log: list[Action], chooser: random.Random
) -> Iterator[tuple[bool, dict[str, bytes]]]:
    """Yields what a disk may hold after the power failed, for every prefix of the log.

    Before each stands whether the save had returned by then.
    """
    for stop in range(len(log) + 1):
        prefix = log[:stop]
        for pattern in _losses(prefix, chooser):
            yield stop == len(log), _disk(before, prefix, pattern, chooser)


def split(log: list[Action]) -> list[list[Action]]:
    """Returns the actions of each save: all up to a rename, and the flush after it."""
    saves: list[list[Action]] = [[]]
    for action in log:
        if any(done.kind == "rename" for done in saves[-1]) and action.kind != "flush folder":
            saves.append([])
        saves[-1].append(action)
    return saves


def _losses(prefix: list[Action], chooser: random.Random) -> Iterator[set[int]]:
    """Yields sets of actions that never reached the disk: none, all that may be, and some."""
    open_to_loss = {
        number
        for number, action in enumerate(prefix)
        if not any(
            (later.kind == "flush" and later.path == action.path and action.kind == "write")
            or (later.kind == "flush folder" and action.kind == "rename")
            for later in prefix[number + 1 :]
        )
        and action.kind in ("write", "rename")
    }
    yield set()
    yield open_to_loss
    for _ in range(6):
        yield {number for number in open_to_loss if chooser.random() < 0.5}


def _disk(
    before: dict[str, bytes], prefix: list[Action], lost: set[int], chooser: random.Random
) -> dict[str, bytes]:
    files = dict(before)
    contents: dict[str, bytes] = {}
    for number, action in enumerate(prefix):
        if action.kind == "write":
            whole = action.content
            if number in lost:
                kept = chooser.choice([0, chooser.randrange(len(whole) + 1)])
                whole = whole[:kept] + bytes(len(whole) - kept)
            contents[action.path] = contents.get(action.path, b"") + whole
            files[action.path] = contents[action.path]
        elif action.kind == "rename" and number not in lost:
            files[action.content] = files.pop(action.path, b"")
    return files


def run(trials: int, seed: int) -> Score:
    """Records saves of a real training and reads every state that a power loss may leave."""
    score = Score()
    chooser = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        saved = Path(name, "saved")
        with recorded() as log:
            trial.trainer(trial.RECIPE, Checkpointing(saved, every_steps=1, keep=99)).fit(
                *trial.data()
            )
        saves = split(log)
        scratch = Path(name, "scratch")
        scratch.mkdir()
        for number in itertools.cycle(range(1, len(saves))):
            if score.total >= trials:
                break
            old = next(a.content for a in saves[number - 1] if a.kind == "rename")
            new = next(a.content for a in saves[number] if a.kind == "rename")
            before = {old: (saved / old).read_bytes()}
            for returned, disk in states(before, saves[number], chooser):
                for path, content in disk.items():
                    (scratch / path).write_bytes(content)
                found = newest_checkpoint(scratch)
                whole = (
                    found is not None and found.read_bytes() == (saved / found.name).read_bytes()
                )
                durable = disk.get(new) == (saved / new).read_bytes()
                right = whole and found is not None and found.name == (new if durable else old)
                sizes = {path: len(content) for path, content in disk.items()}
                what = f"save {number}, returned {returned}: found {found} among {sizes}"
                right = right and (durable or not returned)
                score.count(good=right, trial=what)
                for path in disk:
                    (scratch / path).unlink()
    return score


DRILL = Drill("after a power loss the old or the new checkpoint is there, whole", run, 200, 2000)
