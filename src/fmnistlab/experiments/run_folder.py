"""The folder that a training leaves behind, and that only one training at a time may write.

Nothing is written, renamed or deleted in a folder before it is known to be empty or a run folder,
and locked. What is deleted later are files that fmnistlab itself names, in that folder alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fmnistlab.errors import RunFolderError, RunFolderInUseError
from fmnistlab.experiments.run_folder_state import (
    CHECKPOINT,
    CHECKPOINTS,
    CONFIG,
    FAILURE,
    LOCK,
    RESULT,
    RUN_FILE,
    FolderState,
    folder_state,
)
from fmnistlab.foundation.atomic_file import remove_temporaries, write_atomically
from fmnistlab.foundation.json_text import json_text
from fmnistlab.foundation.wording import setting
from fmnistlab.training.checkpoints.folder import CHECKPOINT_NAME, list_checkpoints

_LONGEST_NAME = 60
_TRIES = 5
_VANISHED = (FileNotFoundError, FileExistsError)  # the second: it went while filelock looked for it


class RunFolder:
    """A folder with settings, history, checkpoint, result, predictions and pictures of a training.

    Every file in it is written whole or not at all. `result.json` comes last, so a folder that
    has one is complete.

    Args:
        path: an existing folder.

    Attributes:
        path: the folder.
        finished: whether its training had come to its end when the folder was taken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.finished: bool = False
        # Protects everything in the folder from a second training; reading a finished one needs no
        # lock. The system releases it with the process, however that ends.
        self._lock = FileLock(path / LOCK, timeout=0)
        self._made: list[Path] = []
        self._new: set[str] = set()

    @classmethod
    def create(cls, path: Path | None, name: str, *, resume: bool = False) -> RunFolder:
        """Makes a run folder, or takes one, and locks it for this process; `release` ends that.

        Args:
            path: where; an existing folder must be empty. None makes `runs/NAME-TIME` below the
                working folder.
            name: beginning of the name if `path` is None; see `safe_name`.
            resume: whether the folder may be that of an earlier training, `finished` or not.

        Raises:
            RunFolderError: the folder is in use, holds anything else, or cannot be made or written.
        """
        made: list[Path] = []
        if path is None:
            time = datetime.now()  # noqa: DTZ005 - a name for people, by their own clock
            path = _unused(Path("runs"), f"{safe_name(name)}-{time:%Y%m%d-%H%M%S}", made)
        folder = cls(path.expanduser())  # a folder that is called "~" would be a trap
        folder._made = made
        for tries_left in reversed(range(_TRIES)):
            try:
                folder._take(resume=resume)
                break
            except _VANISHED as error:
                # Its last user may have removed the folder, which was empty, at the wrong moment.
                if not tries_left:
                    raise _explained(folder.path, error) from error
        return folder

    def _take(self, *, resume: bool) -> None:
        """Locks the folder, after a look at whose it is, and looks again then.

        Raises:
            FileNotFoundError, FileExistsError: another process has removed it meanwhile.
            RunFolderError: it cannot be taken; what was made for it is removed again.
        """
        _check_usable(self.path, folder_state(self.path), resume=resume)
        try:
            _make_folders(self.path, self._made)
            # Taking the lock also is the only honest test whether files can be made here.
            self._lock.acquire()
        except Timeout:
            raise _in_use(self.path) from None
        except _VANISHED:
            raise
        except (OSError, RuntimeError) as error:  # RuntimeError: the file system knows no locks
            self._remove_made()
            raise _explained(self.path, error) from error
        try:
            state = folder_state(self.path)
            _check_usable(self.path, state, resume=resume)
            remove_temporaries(self.path, RUN_FILE)
            if self.checkpoints.is_dir():
                remove_temporaries(self.checkpoints, CHECKPOINT_NAME)
        except BaseException as error:
            self.release()
            if isinstance(error, OSError) and not isinstance(error, RunFolderError):
                raise _explained(self.path, error) from error
            raise
        self.finished = state is FolderState.FINISHED
        if not self.finished:
            (self.path / FAILURE).unlink(missing_ok=True)

    def release(self) -> None:
        """Lets others use the folder, and removes it if it was made for this and holds nothing."""
        self._unlock()
        self._remove_made()

    def _unlock(self) -> None:
        lock = self.path / LOCK
        try:
            # While it is held: who opened it before sees that it lost its name, and tries again.
            lock.unlink(missing_ok=True)
        except PermissionError:  # Windows deletes no open file
            self._lock.release()
            with contextlib.suppress(OSError):  # another process may have opened it by now
                lock.unlink(missing_ok=True)
        else:
            self._lock.release()

    def _remove_made(self) -> None:
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # it holds something, or is gone
                folder.rmdir()

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
    def in_use(self) -> bool:
        """Whether another training is writing there now."""
        if not (self.path / LOCK).exists():
            return False
        try:
            self._lock.acquire()
        except (Timeout, OSError, RuntimeError):
            return True
        self._lock.release()
        return False

    @property
    def checkpoint(self) -> Path:
        """The checkpoint file."""
        return self.path / CHECKPOINT

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Locks the folder of a finished training while something is added to it.

        Raises:
            RunFolderError: it is in use, or cannot be written.
        """
        try:
            self._lock.acquire()
        except Timeout:
            raise _in_use(self.path) from None
        except (OSError, RuntimeError) as error:
            raise _explained(self.path, error) from error
        try:
            yield
        finally:
            self._unlock()

    def write_bytes(self, name: str, content: bytes) -> None:
        """Writes a file.

        Raises:
            RunFolderError: it cannot be written.
        """
        if not (self.path / name).exists():
            self._new.add(name)
        try:
            with write_atomically(self.path / name) as stream:
                stream.write(content)
        except OSError as error:
            raise _explained(self.path / name, error) from error

    def write_text(self, name: str, text: str) -> None:
        """Writes a file of UTF-8 text.

        Raises:
            RunFolderError: it cannot be written.
        """
        self.write_bytes(name, text.encode())

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes a JSON file; see `json_text`.

        Raises:
            RunFolderError: it cannot be written.
        """
        self.write_text(name, json_text(content) + "\n")

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints that are written while the training runs."""
        return self.path / CHECKPOINTS

    def discard_unless_resumable(self) -> bool:
        """Removes what this process has written if there is no checkpoint to go on from.

        Returns:
            Whether there is one.
        """
        if self.checkpoints.is_dir() and list_checkpoints(self.checkpoints):
            return True
        self.remove_checkpoints()
        if CONFIG in self._new and not (self.path / RESULT).exists():
            (self.path / CONFIG).unlink(missing_ok=True)
        return False

    def remove_checkpoints(self) -> None:
        """Removes the checkpoints of a training that is finished; `checkpoint` holds its end.

        Files of other names stay, and so does the folder then.
        """
        if not self.checkpoints.is_dir():
            return
        with contextlib.suppress(OSError):  # on Windows another program may hold one open
            for checkpoint in list_checkpoints(self.checkpoints):
                checkpoint.unlink(missing_ok=True)
            remove_temporaries(self.checkpoints, CHECKPOINT_NAME)
            self.checkpoints.rmdir()


def safe_name(name: str) -> str:
    """Returns a name as part of a folder's name: a to z, digits, ".", "_" and "-", not empty.

    Such a name means no other folder on any system, and is no option on a command line.

    Args:
        name: anything, such as the name of a model of a package.
    """
    safe = re.sub(r"[^a-z0-9._-]+", "-", name.lower())[:_LONGEST_NAME].strip(".-")
    return re.sub(r"\.{2,}", ".", safe) or "run"


def _check_usable(path: Path, state: FolderState, *, resume: bool) -> None:
    if state is not FolderState.EMPTY and not resume:
        raise RunFolderError(
            f"{path}: is not empty. Name another folder with {setting('out', ...)}, remove it "
            f"first, or go on with {setting('resume', value=True)} if its training was interrupted."
        )
    if state is FolderState.FOREIGN:
        raise RunFolderError(
            f"{path}: is not the folder of a training: it has no {CONFIG} that fmnistlab has "
            f"written. Name another folder with {setting('out', ...)}; nothing was changed in this "
            "one."
        )


def _make_folders(path: Path, made: list[Path]) -> None:
    """Makes a folder and those above it that are missing, and adds the new ones to `made`."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was quicker
            folder.mkdir()
            made.append(folder)
    if not stat.S_ISDIR(path.stat().st_mode):  # not found: its last user has removed it meanwhile
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(path))


def _unused(parent: Path, name: str, made: list[Path]) -> Path:
    """Makes a folder that is new, and adds it and its new parents to `made`.

    Raises:
        RunFolderError: there are too many of this name, or it cannot be made.
    """
    for number in range(1, 1000):
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            _make_folders(parent, made)
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise _explained(path, error) from error
        made.append(path)
        return path
    raise RunFolderError(f"{parent / name}: a thousand folders of this name exist already.")


def _in_use(path: Path) -> RunFolderInUseError:
    return RunFolderInUseError(
        f"{path}: another training is writing there now. Name another folder with "
        f"{setting('out', ...)}."
    )


def _explained(path: Path, error: Exception) -> RunFolderError:
    number = getattr(error, "errno", None)
    reason = getattr(error, "strerror", None) or error
    advice = "Free some space." if number == errno.ENOSPC else "Choose another folder."
    explained = RunFolderError(f"{os.fspath(path)}: cannot be written: {reason}. {advice}")
    explained.errno = number
    return explained
