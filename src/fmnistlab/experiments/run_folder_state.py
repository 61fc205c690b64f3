"""What lies in a folder, as far as a training must know before it touches anything there."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import re
import stat
from pathlib import Path
from typing import Any, Final

from fmnistlab.errors import RunFolderError
from fmnistlab.foundation.atomic_file import is_temporary
from fmnistlab.foundation.regular_file import read_regular_file

CONFIG = "config.json"
RESULT = "result.json"
CHECKPOINT = "checkpoint.safetensors"
CHECKPOINTS = "checkpoints"
HISTORY_JSON = "history.json"
HISTORY_CSV = "history.csv"
PREDICTIONS = "predictions.safetensors"
FAILURE = "failure.json"
REPORT = "report.html"
LOCK = ".fmnistlab.lock"

FILES: Final = (CONFIG, RESULT, CHECKPOINT, HISTORY_JSON, HISTORY_CSV, PREDICTIONS, FAILURE)
"""What a training writes besides pictures."""

RUN_FILE: Final = re.compile(
    "|".join(map(re.escape, (*FILES, REPORT)))
    + "|(curves|samples|mistakes|confusion|predictions)\\.png"
)
"""Names of the files that a training writes into its folder."""

_LARGEST_CONFIG = 2**20


class FolderState(enum.Enum):
    """Whose a folder is, and how far its training came."""

    EMPTY = "empty"
    """Missing, or without anything but what a training leaves that failed or was killed at its
    start."""

    BEGUN = "begun"
    FINISHED = "finished"
    FOREIGN = "foreign"
    """Holds something that no training of fmnistlab has written."""


def folder_state(path: Path) -> FolderState:
    """Tells whose a folder is, by a look that changes nothing.

    Args:
        path: the folder; it need not exist.

    Raises:
        RunFolderError: it is no folder or cannot be read, or in a run folder a link or something
            else than a file stands in the place of a file.
    """
    try:
        kinds = {}
        for entry in path.iterdir():
            with contextlib.suppress(FileNotFoundError):  # a lock or a temporary file that went
                kinds[entry.name] = entry.lstat().st_mode
    except FileNotFoundError:
        return FolderState.EMPTY
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunFolderError(
            f"{os.fspath(path)}: cannot be written: {reason}. Choose another folder."
        ) from error
    passing = (LOCK, FAILURE)
    names = {name for name in kinds if name not in passing and not is_temporary(name, RUN_FILE)}
    if not names:
        _check_kinds(path, kinds)
        return FolderState.EMPTY
    if not stat.S_ISREG(kinds.get(CONFIG, 0)) or not _is_our_config(path / CONFIG):
        return FolderState.FOREIGN
    _check_kinds(path, kinds)
    return FolderState.FINISHED if {RESULT, CHECKPOINT} <= names else FolderState.BEGUN


def _check_kinds(path: Path, kinds: dict[str, int]) -> None:
    for name in (*FILES, LOCK):
        if name in kinds and not stat.S_ISREG(kinds[name]):
            raise RunFolderError(f"{path / name}: is no regular file. Choose another folder.")
    if CHECKPOINTS in kinds and not stat.S_ISDIR(kinds[CHECKPOINTS]):
        raise RunFolderError(
            f"{path / CHECKPOINTS}: is no folder, or a link to one. Choose another folder."
        )


def _is_our_config(path: Path) -> bool:
    try:
        content: Any = json.loads(read_regular_file(path, limit=_LARGEST_CONFIG))
        return "fmnistlab" in content["versions"] and "recipe" in content and "model" in content
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False
