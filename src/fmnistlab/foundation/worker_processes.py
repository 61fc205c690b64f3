"""Processes that joblib makes for work: their folder may go, and they retire."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path


def leave_missing_folder() -> None:
    """Moves to the topmost folder if the one that this process works in is gone.

    Libraries ask for it while they are imported, torch's compiler among them, and fail without.
    Only for processes that were made for work that names its files in full.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        os.chdir(os.sep)


@contextlib.contextmanager
def retirement_untold() -> Iterator[None]:
    """Ignores joblib's warning of a process that retires, inside the block.

    A process retires once it has grown by 300 MB or waited for five minutes; another takes its
    place, and no work is lost. The warning comes from a thread of joblib's, which would die of it
    where warnings are errors, and whoever waits for the work would wait forever.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
        yield
