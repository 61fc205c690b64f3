"""The folder that a training leaves behind."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from fmnistlab.atomic_file import write_atomically
from fmnistlab.errors import RunFolderError
from fmnistlab.json_text import json_text

CONFIG = "config.json"
RESULT = "result.json"
CHECKPOINT = "checkpoint.safetensors"
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

    @classmethod
    def create(cls, path: Path | None, name: str) -> RunFolder:
        """Makes a new, empty run folder.

        Args:
            path: where; an existing folder must be empty. None makes `runs/NAME-TIME` below the
                working folder.
            name: beginning of the name if `path` is None.

        Raises:
            RunFolderError: the folder is in use, or cannot be made or written.
        """
        if path is None:
            time = datetime.now()  # noqa: DTZ005 - a name for people, by their own clock
            return cls._create_unused(Path("runs"), f"{name}-{time:%Y%m%d-%H%M%S}")
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunFolderError(
                    f"{path}: is not empty. Name another folder with --out, or remove it first."
                )
            # Making a file is the only honest test: root ignores permissions, disks can be full.
            with write_atomically(path / CONFIG) as stream:
                stream.write(b"{}")
            (path / CONFIG).unlink()
        except RunFolderError:
            raise
        except OSError as error:
            raise _explained(path, error) from error
        return cls(path)

    @classmethod
    def _create_unused(cls, parent: Path, name: str) -> RunFolder:
        for number in range(1, 1000):
            path = parent / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise _explained(path, error) from error
            return cls(path)
        raise RunFolderError(f"{parent / name}: a thousand folders of this name exist already.")

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

    def remove_if_empty(self) -> None:
        """Removes the folder if nothing was written into it, as after an early failure."""
        if not any(self.path.iterdir()):
            self.path.rmdir()


def _explained(path: Path, error: OSError) -> RunFolderError:
    advice = "Free some space." if error.errno == errno.ENOSPC else "Choose another folder."
    explained = RunFolderError(f"{os.fspath(path)}: cannot be written: {error.strerror}. {advice}")
    explained.errno = error.errno
    return explained
