"""Where the numbers of a table come from, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from benchmarks.results_file import Section


def surroundings(sections: Iterable[Section]) -> str:
    """Returns one paragraph for each environment in which some of the sections were measured."""
    texts: list[str] = []
    for section in sections:
        facts = section.environment
        versions = cast("Mapping[str, object]", facts["packages"])
        named = [f"{name} {found}" for name, found in sorted(versions.items()) if found]
        text = (
            f"Measured on {facts['date']} on {facts['processor']}, {facts['cores']} cores, "
            f"{facts['system']}, load {facts['load_average']} at the start, with Python "
            f"{facts['python']}, {', '.join(named)}."
        )
        if text not in texts:
            texts.append(text)
    return "\n\n".join(texts)
