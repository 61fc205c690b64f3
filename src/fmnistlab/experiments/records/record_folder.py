"""The folder of many trainings, as of a comparison or a search: its record, and other files."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from fmnistlab.errors import RunFolderError, RunFolderInUseError
from fmnistlab.experiments.records.reading import read_record
from fmnistlab.experiments.run_folder import RunFolder
from fmnistlab.experiments.run_folder_state import LOCK
from fmnistlab.foundation.atomic_file import is_temporary, remove_temporaries, write_atomically
from fmnistlab.foundation.json_text import json_text

RecordType = TypeVar("RecordType")
"""A dataclass."""


@dataclasses.dataclass(frozen=True)
class RecordFolder(Generic[RecordType]):
    """What such folders have in common.

    Attributes:
        kind: what they are of, in words.
        record: the class of their record.
        name: of the file that holds it.
        files: names of all files that are written into it.
        patience: seconds to wait for another process that writes there.
    """

    kind: str
    record: type[RecordType]
    name: str
    files: re.Pattern[str]
    patience: float = 0.0

    def read(self, folder: Path) -> RecordType | None:
        """Returns the record of a folder; None if that is new or empty.

        Args:
            folder: it need not exist.

        Raises:
            RunFolderError: it holds something else, or the record cannot be read.
        """
        try:
            names = {path.name for path in folder.iterdir()}
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunFolderError(f"{folder}: cannot be read: {error.strerror}.") from error
        if self.name in names:
            return read_record(self.record, folder / self.name)
        if any(name != LOCK and not is_temporary(name, self.files) for name in names):
            raise RunFolderError(
                f"{folder}: is not empty, and not the folder of a {self.kind}: it has no "
                f"{self.name}. Nothing was changed in it; name another folder."
            )
        return None

    @contextlib.contextmanager
    def locked(self, folder: Path) -> Iterator[RecordType | None]:
        """Keeps other processes from writing in a folder, and yields its record.

        What a process left there that was killed while it wrote is removed.

        Args:
            folder: it is made if it is missing.

        Raises:
            RunFolderError: as of `read`, with nothing changed; or it cannot be written, or another
                process holds it for longer than `patience`.
        """
        self.read(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _explained(folder, error) from error
        with contextlib.ExitStack() as stack:
            end = time.monotonic() + self.patience
            while True:
                try:
                    stack.enter_context(RunFolder(folder).locked())
                    break
                except RunFolderInUseError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.05)
            record = self.read(folder)
            remove_temporaries(folder, self.files)
            yield record

    def write(self, folder: Path, record: RecordType) -> None:
        """Writes the record of a folder.

        Raises:
            RunFolderError: it cannot be written.
        """
        content = dataclasses.asdict(cast("Any", record))
        self.write_text(folder, self.name, json_text(content) + "\n")

    def write_text(self, folder: Path, name: str, text: str) -> None:
        """Writes a file of a folder, whole or not at all.

        Raises:
            RunFolderError: it cannot be written.
        """
        try:
            with write_atomically(folder / name) as stream:
                stream.write(text.encode())
        except OSError as error:
            raise _explained(folder / name, error) from error


def _explained(path: Path, error: OSError) -> RunFolderError:
    explained = RunFolderError(
        f"{path}: cannot be written: {error.strerror}. What is trained is kept."
    )
    explained.errno = error.errno
    return explained
