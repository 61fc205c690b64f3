"""The folder that a process works in, which may go while a process waits for its next work."""

from __future__ import annotations

import os
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
