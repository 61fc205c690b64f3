"""How far many trainings are, told by what lies in their folders, whoever trains them."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Never

from tqdm.auto import tqdm

from fmnistlab.errors import CheckpointError
from fmnistlab.experiments.run_folder_state import CHECKPOINTS, RESULT
from fmnistlab.training.callbacks.progress import IN_NOTEBOOK
from fmnistlab.training.checkpoints.folder import list_checkpoints, step_of

_SECONDS: Final = 0.5
"""Between two looks."""


@contextlib.contextmanager
def progress_bar(steps: Mapping[Path, int]) -> Iterator[None]:
    """Shows one bar for many trainings as long as the block runs, with the time that is left.

    It counts training steps that a checkpoint or a result is there for. Nothing is drawn where
    standard error is neither a terminal nor a notebook.

    Args:
        steps: of each whole training, by its run folder; only what is missing.
    """
    done = dict.fromkeys(steps, 0)
    _look(steps, done)
    bar: tqdm[Never] = tqdm(
        total=sum(steps.values()),
        initial=sum(done.values()),
        unit="step",
        unit_scale=True,
        file=sys.stderr,
        disable=False if IN_NOTEBOOK else None,
        dynamic_ncols=True,
        leave=False,
    )
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(bar, steps, done, ended), daemon=True)
    if not bar.disable:
        watcher.start()
    try:
        yield
    finally:
        ended.set()
        if watcher.is_alive():
            watcher.join()
        bar.close()


def _watch(
    bar: tqdm[Never], steps: Mapping[Path, int], done: dict[Path, int], ended: threading.Event
) -> None:
    while True:
        before = sum(done.values())
        _look(steps, done)
        finished = sum(done[folder] == whole for folder, whole in steps.items())
        bar.set_description(f"{finished} of {len(steps)} runs", refresh=False)
        bar.update(sum(done.values()) - before)
        bar.refresh()
        if ended.wait(_SECONDS):
            return


def _look(steps: Mapping[Path, int], done: dict[Path, int]) -> None:
    """Brings up to date how many steps of each training are done."""
    for folder, whole in steps.items():
        if done[folder] == whole:
            continue
        if (folder / RESULT).exists():
            done[folder] = whole
            continue
        with contextlib.suppress(CheckpointError):  # not begun, or just removed
            newest = list_checkpoints(folder / CHECKPOINTS)[:1]
            done[folder] = max([done[folder], *(min(step_of(path), whole) for path in newest)])
