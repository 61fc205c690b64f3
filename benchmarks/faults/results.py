"""The JSON file with all that was found: one section each, of one row for each candidate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = 1
"""Rises when older files can no longer be read."""


class Row(NamedTuple):
    """What became of a candidate.

    Attributes:
        peer: its name.
        way: how it was used.
        status: "measured", "not installed", "not possible" (this machine lacks what it takes) or
            "failed" (the test did not work; that says nothing about the peer).
        reason: what is missing, or what went wrong.
        result: what was counted; each section has its own keys.
        seconds: how long it took.
    """

    peer: str
    way: str
    status: str
    reason: str = ""
    result: Any = None
    seconds: float = 0.0


class Results(NamedTuple):
    """One section.

    Attributes:
        settings: trials and seed.
        environment: as `environment.environment()` gives it.
        rows: in the order of the table.
    """

    settings: dict[str, int]
    environment: dict[str, object]
    rows: list[Row]


def read_results(path: Path) -> dict[str, Results]:
    """Returns the sections of a file by name."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["format"] != FORMAT:
        raise SystemExit(f"{path}: format {content['format']}, not {FORMAT}; measure again.")
    return {
        name: Results(
            found["settings"], found["environment"], [Row(**row) for row in found["rows"]]
        )
        for name, found in content["sections"].items()
    }


def merge_results(path: Path, name: str, results: Results) -> None:
    """Writes a section into a file; one of the same name is replaced, the others stay."""
    sections = read_results(path) if path.exists() else {}
    sections[name] = results
    content = {
        "format": FORMAT,
        "sections": {
            key: found._asdict() | {"rows": [row._asdict() for row in found.rows]}
            for key, found in sections.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
