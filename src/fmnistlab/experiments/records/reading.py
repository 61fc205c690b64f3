"""The records of a run folder, read as carefully as a stranger's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeVar

from fmnistlab.errors import ConfigurationError, RunFolderError
from fmnistlab.experiments.records.config import RunConfig
from fmnistlab.experiments.records.result import RunResult
from fmnistlab.experiments.run_folder_state import CONFIG, HISTORY_CSV, HISTORY_JSON, RESULT
from fmnistlab.foundation.regular_file import read_regular_file
from fmnistlab.foundation.strict_json import parse_json
from fmnistlab.foundation.typed_json import check_format, read_as
from fmnistlab.training.records.history import History

RECORD_FORMAT: Final = 1
"""Newest "format" of `config.json` and `result.json` that is read."""

_LARGEST_RECORD: Final = 2**20
_LARGEST_HISTORY: Final = 2**25
_ADVICE: Final = "If it was changed, put it back as it was written, or train again."

_T = TypeVar("_T")


def read_config(folder: Path) -> RunConfig:
    """Returns what `config.json` holds.

    Args:
        folder: the run folder.

    Raises:
        RunFolderError: the file is missing, is no regular file, or is not what a training has
            written; the message names file and key.
    """
    return read_record(RunConfig, folder / CONFIG)


def read_result(folder: Path) -> RunResult:
    """Returns what `result.json` holds; see `read_config`.

    Raises:
        RunFolderError: as of `read_config`.
    """
    return read_record(RunResult, folder / RESULT)


def read_history(folder: Path) -> History:
    """Returns what `history.json` holds; see `read_config`.

    Raises:
        RunFolderError: as of `read_config`.
    """
    path = folder / HISTORY_JSON
    content = _read(path, _LARGEST_HISTORY)
    try:
        return History.from_json(content, str(path))
    except ConfigurationError as error:
        raise RunFolderError(f"{error} {_ADVICE}") from error


def read_history_csv(folder: Path) -> bytes:
    """Returns the bytes of `history.csv`.

    Raises:
        RunFolderError: the file is missing or is no regular file.
    """
    return _read(folder / HISTORY_CSV, _LARGEST_HISTORY)


def read_record(kind: type[_T], path: Path) -> _T:
    """Returns what a record holds, as one of the dataclasses of this room.

    Args:
        kind: the dataclass, which has a "format".
        path: of the file.

    Raises:
        RunFolderError: as of `read_config`.
    """
    content = _read(path, _LARGEST_RECORD)
    try:
        value: Any = parse_json(content, str(path))
        check_format(value, str(path), newest=RECORD_FORMAT)
        return read_as(kind, value, str(path))
    except ConfigurationError as error:
        raise RunFolderError(f"{error} {_ADVICE}") from error


def _read(path: Path, limit: int) -> bytes:
    try:
        return read_regular_file(path, limit=limit)
    except FileNotFoundError as error:
        raise RunFolderError(f"{path}: is missing. {_ADVICE}") from error
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read: {error.strerror}. {_ADVICE}") from error
