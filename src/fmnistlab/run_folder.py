"""The folder that a training leaves behind, and that only one training at a time may write."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fmnistlab.atomic_file import write_atomically
from fmnistlab.errors import RunFolderError
from fmnistlab.json_text import json_text

CONFIG = "config.json"
RESULT = "result.json"
CHECKPOINT = "checkpoint.safetensors"
CHECKPOINTS = "checkpoints"
LOCK = ".lock"
HISTORY_JSON = "history.json"
HISTORY_CSV = "history.csv"


class RunFolder:
    """A folder with the settings, history, checkpoint, result and pictures of one training.

    Every file in it is written whole or not at all. `result.json` comes last, so a folder that
    has one is complete.

    Args:
        path: an existing folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / LOCK, timeout=0)

    @classmethod
    def create(cls, path: Path | None, name: str, *, resume: bool = False) -> RunFolder:
        """Makes a run folder and locks it for this process; `release` ends that.

        Args:
            path: where; an existing folder must be empty. None makes `runs/NAME-TIME` below the
                working folder.
            name: beginning of the name if `path` is None.
            resume: whether the folder may be that of an interrupted training.

        Raises:
            RunFolderError: the folder is in use or finished, or cannot be made or written.
        """
        if path is None:
            time = datetime.now()  # noqa: DTZ005 - a name for people, by their own clock
            path = _unused(Path("runs"), f"{name}-{time:%Y%m%d-%H%M%S}")
        folder = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            # Taking the lock also is the only honest test whether files can be made here.
            folder._lock.acquire()
            try:
                folder._check_state(resume=resume)
            except RunFolderError:
                folder.release()
                raise
        except Timeout:
            raise RunFolderError(
                f"{path}: another training is writing there now. Name another folder with --out."
            ) from None
        except RunFolderError:
            raise
        except OSError as error:
            raise _explained(path, error) from error
        return folder

    def _check_state(self, *, resume: bool) -> None:
        """Refuses a folder that is finished or somebody else's; called with the lock held."""
        for leftover in self.path.rglob(".*.tmp"):  # of a process that was killed
            leftover.unlink(missing_ok=True)
        found = {entry.name for entry in self.path.iterdir()} - {LOCK}
        if RESULT in found and resume:
            raise RunFolderError(f"{self.path}: its training is finished; nothing is left to do.")
        if found and not resume:
            raise RunFolderError(
                f"{self.path}: is not empty. Name another folder with --out, remove it first, or "
                "go on with --resume if its training was interrupted."
            )
        if found and CONFIG not in found:
            raise RunFolderError(
                f"{self.path}: is not the folder of a training; it has no {CONFIG}."
            )

    def release(self) -> None:
        """Lets others use the folder, and removes it if nothing was written into it."""
        (self.path / LOCK).unlink(missing_ok=True)
        self._lock.release()
        if not any(self.path.iterdir()):
            self.path.rmdir()

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Opens a run folder to read it.

        Raises:
            RunFolderError: it is not one, or its training has not finished.
        """
        if not path.is_dir():
            raise RunFolderError(f"{path}: there is no such run folder.")
        if not (path / CHECKPOINT).is_file() or not (path / CONFIG).is_file():
            raise RunFolderError(
                f"{path}: is not the folder of a finished training: it has no {CHECKPOINT} or no "
                f"{CONFIG}. `fmnistlab train` makes such folders."
            )
        return cls(path)

    @property
    def checkpoint(self) -> Path:
        """The checkpoint file."""
        return self.path / CHECKPOINT

    def write_text(self, name: str, text: str) -> None:
        """Writes a file of UTF-8 text.

        Raises:
            RunFolderError: it cannot be written.
        """
        try:
            with write_atomically(self.path / name) as stream:
                stream.write(text.encode())
        except OSError as error:
            raise _explained(self.path / name, error) from error

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a JSON file; see `json_text`.

        Raises:
            RunFolderError: it cannot be written.
        """
        self.write_text(name, json_text(content) + "\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Reads a JSON file.

        Raises:
            RunFolderError: it is missing or is not a JSON object.
        """
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{self.path / name}: cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise RunFolderError(f"{self.path / name}: must hold a JSON object.")
        return content

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints that are written while the training runs."""
        return self.path / CHECKPOINTS

    def discard_unless_resumable(self) -> bool:
        """Removes what an early failure left if there is no checkpoint to go on from.

        Returns:
            Whether there is one.
        """
        if self.checkpoints.is_dir() and any(self.checkpoints.glob("*.safetensors")):
            return True
        self.remove_checkpoints()
        if not (self.path / RESULT).exists():
            (self.path / CONFIG).unlink(missing_ok=True)
        return False

    def remove_checkpoints(self) -> None:
        """Removes the checkpoints of a training that is finished; `checkpoint` holds its end."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)


def _unused(parent: Path, name: str) -> Path:
    """Makes a folder that nobody else has made.

    Raises:
        RunFolderError: there are too many of this name, or it cannot be made.
    """
    for number in range(1, 1000):
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise _explained(path, error) from error
        return path
    raise RunFolderError(f"{parent / name}: a thousand folders of this name exist already.")


def _explained(path: Path, error: OSError) -> RunFolderError:
    advice = "Free some space." if error.errno == errno.ENOSPC else "Choose another folder."
    explained = RunFolderError(f"{os.fspath(path)}: cannot be written: {error.strerror}. {advice}")
    explained.errno = error.errno
    return explained
