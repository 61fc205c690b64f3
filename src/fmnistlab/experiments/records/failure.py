"""What `failure.json` holds: why one of many trainings failed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from fmnistlab.experiments.records.kinds import Seed
from fmnistlab.experiments.records.reading import read_record
from fmnistlab.experiments.run_folder_state import FAILURE


@dataclasses.dataclass(frozen=True, kw_only=True)
class FailureRecord:
    """Why a training failed.

    Attributes:
        format: version of this record.
        model: name of the model.
        seed: of the training.
        reason: in words.
        traceback: its end, as Python prints it.
    """

    format: Literal[1] = 1
    model: str
    seed: Seed
    reason: str
    traceback: str


def read_failure(folder: Path) -> FailureRecord | None:
    """Returns why the training in a run folder failed; None if it did not.

    Raises:
        RunFolderError: the file cannot be read, or is not one that fmnistlab has written.
    """
    path = folder / FAILURE
    return read_record(FailureRecord, path) if path.exists() else None
