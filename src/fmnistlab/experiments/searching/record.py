"""What `search.json` holds: what determines the trials, what was asked for, and what came of it."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path
from typing import Any, Final, Literal

from fmnistlab.errors import ConfigurationError, RunFolderError
from fmnistlab.experiments.records.differences import differing
from fmnistlab.experiments.records.identity import TrainingIdentity
from fmnistlab.experiments.records.kinds import Count, Number, Seed
from fmnistlab.experiments.records.record_folder import RecordFolder
from fmnistlab.foundation.json_text import json_text

SEARCH: Final = "search.json"
"""Name of the file in the folder of a search."""

_FILE: Final = re.compile(r"search\.(json|md)|best\.toml|[a-z-]+\.png")  # and Optuna's journal


@dataclasses.dataclass(frozen=True, kw_only=True)
class SettingsRecord:
    """All that determines the trials.

    Attributes:
        training: what the trainings have in common, but for what is searched.
        space: what is searched; see `Space.to_dict`.
        seed: of the search.
        at_once: trials that are asked for at once.
        prune: whether trials that do worse than others end early.
        optuna: version of Optuna.
    """

    training: TrainingIdentity
    space: dict[str, Any]
    seed: Seed
    at_once: Number
    prune: bool
    optuna: str

    def key(self) -> str:
        """Returns a name for these settings, the SHA-256 over them as JSON."""
        text = json_text(dataclasses.asdict(self))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclasses.dataclass(frozen=True, kw_only=True)
class RequestRecord:
    """What was asked for at one time.

    Attributes:
        trials: how many, all together.
        fresh_seeds: trainings of the winner.
        tested: whether a winner had been tested before.
    """

    trials: Number
    fresh_seeds: Count
    tested: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """What a search is.

    Attributes:
        format: version of this record.
        settings: all that determines the trials.
        requests: what was asked for, the first time first.
        result: what came of it, for readers; None before the first end. It is never read back:
            journal and run folders count.

    Raises:
        ConfigurationError: nothing was asked for.
    """

    format: Literal[1] = 1
    settings: SettingsRecord
    requests: tuple[RequestRecord, ...]
    result: dict[str, Any] | None

    def __post_init__(self) -> None:
        if not self.requests:
            raise ConfigurationError("requests: must not be empty.")

    @property
    def extensions(self) -> tuple[str, ...]:
        """What was asked for after a winner had been tested, in words."""
        return tuple(
            f"Extended from {before.trials} to {now.trials} trials after a winner had been tested: "
            "the test set has been looked at more than once."
            for before, now in zip(self.requests, self.requests[1:], strict=False)
            if now.tested and now.trials != before.trials
        )


SEARCHES: Final = RecordFolder("search", SearchRecord, SEARCH, _FILE)
"""Folders of searches."""


def begin(
    folder: Path, before: SearchRecord | None, settings: SettingsRecord, asked: RequestRecord
) -> SearchRecord:
    """Writes what is asked for, before anything is trained, and returns the search's record.

    Args:
        folder: of the search.
        before: its record so far.
        settings: all that determines the trials now.
        asked: what is asked for now.

    Raises:
        RunFolderError: the folder is that of another search, or more trials were asked for
            before; or it cannot be written.
    """
    if before is None:
        record = SearchRecord(settings=settings, requests=(asked,), result=None)
        SEARCHES.write(folder, record)
        return record
    then, now = dataclasses.asdict(before.settings), dataclasses.asdict(settings)
    for place, old, new in differing(then, now):
        raise RunFolderError(
            f"{folder}: holds a search that was begun with another {place}: {old}, and not {new}. "
            "Search in another folder, or as it was begun."
        )
    last = before.requests[-1]
    for what, more, less in (
        ("trials", last.trials, asked.trials),
        ("fresh_seeds", last.fresh_seeds, asked.fresh_seeds),
    ):
        if less < more:
            raise RunFolderError(
                f"{folder}: holds a search with {what} of {more}, and not {less}. Ask for as many "
                "or more, or search in another folder."
            )
    if dataclasses.replace(asked, tested=last.tested) == last:
        return before
    record = dataclasses.replace(before, requests=(*before.requests, asked), result=None)
    SEARCHES.write(folder, record)
    return record
