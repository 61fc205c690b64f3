"""The JSON file with all that was measured: raw numbers, which the report judges.

It holds a list of sections. A section is one table: a command, its settings, the environment, and
for each contender what was measured in each round.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import Measurement
from benchmarks.rounds import Entry, Job, Settings

FORMAT = 1
"""Rises when older files can no longer be read."""


class Section(NamedTuple):
    """One table of results.

    Attributes:
        command: which subcommand measured it.
        settings: what is the same for all contenders; with the command, the table's identity.
        environment: as `environment()` gives it, at the start.
        entries: for each contender, in the order of the turns.
    """

    command: str
    settings: Settings
    environment: dict[str, object]
    entries: dict[str, Entry]

    def values(self, name: str, number: str = "seconds") -> list[float]:
        """Returns one number of a contender for each round; none if it was not measured."""
        entry = self.entries.get(name)
        return [] if entry is None else _values(entry.measurements, number)

    @property
    def measured(self) -> list[str]:
        """The contenders that have a result."""
        return [name for name, entry in self.entries.items() if entry.measurements]


def sections_by(results: Iterable[Section], command: str) -> list[Section]:
    """Returns those sections that a command measured."""
    return [section for section in results if section.command == command]


def sections_of(
    command: str, jobs: Sequence[Job], entries: Sequence[Entry], environment: dict[str, object]
) -> list[Section]:
    """Returns the entries sorted into tables: those with the same settings go together."""
    sections: list[Section] = []
    for job, entry in zip(jobs, entries, strict=True):
        section = next((found for found in sections if found.settings == job.settings), None)
        if section is None:
            section = Section(command, job.settings, environment, {})
            sections.append(section)
        section.entries[job.name] = entry
    return sections


def read_results(path: Path) -> list[Section]:
    """Returns all sections of a file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["format"] != FORMAT:
        raise SystemExit(f"{path}: format {content['format']}, not {FORMAT}; measure again.")
    return [
        Section(
            found["command"],
            found["settings"],
            found["environment"],
            {name: Entry(**entry) for name, entry in found["entries"].items()},
        )
        for found in content["sections"]
    ]


def merge_results(path: Path, new: Iterable[Section]) -> None:
    """Writes sections into a file; those of the same command and settings are replaced."""
    sections = (
        {_identity(section): section for section in read_results(path)} if path.exists() else {}
    )
    sections |= {_identity(section): section for section in new}
    content = {
        "format": FORMAT,
        "sections": [
            section._asdict()
            | {"entries": {name: entry._asdict() for name, entry in section.entries.items()}}
            for section in sections.values()
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _identity(section: Section) -> str:
    return json.dumps([section.command, section.settings], sort_keys=True)


def _values(measurements: Sequence[Measurement], number: str) -> list[float]:
    return [found[number] for found in measurements if number in found]
