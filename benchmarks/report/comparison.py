"""Contenders of one table side by side, the fastest first, and who beats fmnistlab."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from benchmarks.report.markdown import figures, significant, with_quartiles
from benchmarks.results_file import Section
from benchmarks.summaries import Spread, paired_ratios, spread

Column = tuple[str, Callable[[Section, str], str]]
"""Header, and what stands there for a contender that was measured."""


def ratio(section: Section, name: str, reference: str, number: str = "seconds") -> Spread | None:
    """Returns how many times `reference` has of what `name` has, paired by round.

    For seconds: how many times as fast as the reference. None if one of them was not measured.
    """
    values, others = section.values(name, number), section.values(reference, number)
    return spread(paired_ratios(others, values)) if values and others else None


def value_column(header: str, number: str = "seconds", *, unit: float = 1) -> Column:
    """Returns a column of medians with quartiles, in units of `unit`."""

    def cell(section: Section, name: str) -> str:
        values = [value / unit for value in section.values(name, number)]
        return with_quartiles(spread(values)) if values else ""

    return header, cell


def median_column(header: str, number: str, *, unit: float = 1) -> Column:
    """Returns a column of medians alone."""

    def cell(section: Section, name: str) -> str:
        values = section.values(name, number)
        return significant(statistics.median(values) / unit) if values else ""

    return header, cell


def ratio_column(header: str, reference: str, number: str = "seconds") -> Column:
    """Returns a column of ratios to one contender."""

    def cell(section: Section, name: str) -> str:
        found = ratio(section, name, reference, number)
        return "" if found is None else with_quartiles(found)

    return header, cell


def rounds_column() -> Column:
    """Returns the column that says how often each was measured."""
    return "n", lambda section, name: str(len(section.entries[name].measurements))


def comparison(
    section: Section,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    *,
    number: str = "seconds",
) -> str:
    """Returns a table with one row for each contender, the smallest median of `number` first.

    Who was not measured stands last and is named with the reason.
    """
    measured = sorted(
        section.measured, key=lambda name: statistics.median(section.values(name, number))
    )
    rows = [
        [labels.get(name, name), *(cell(section, name) for _, cell in columns)] for name in measured
    ]
    for name, entry in section.entries.items():
        if name not in measured:
            reason = f"{entry.status}: {entry.reason}"
            rows.append([labels.get(name, name), reason, *[""] * (len(columns) - 1)])
    return figures(["", *(header for header, _ in columns)], rows)


def honest_note(
    section: Section,
    labels: Mapping[str, str],
    *,
    own: str = "fmnistlab",
    number: str = "seconds",
    better: str = "faster",
) -> str:
    """Returns who beats `own` here, and who cannot be told apart from it.

    A contender is better if the lower quartile of the paired ratios is above 1, and cannot be told
    apart if 1 lies between the quartiles. Other ways to use fmnistlab are no opponents.
    """
    winners, equals = [], []
    for name in section.measured:
        found = None if name.startswith("fmnistlab") else ratio(section, name, own, number)
        if found is None:
            continue
        text = f"{labels.get(name, name)}, {with_quartiles(found)} times"
        if found.low > 1:
            winners.append((-found.median, text))
        elif found.high >= 1:
            equals.append((-found.median, text))
    label = labels.get(own, own)
    lines = []
    if winners:
        lines.append(f"**{better.capitalize()} than {label}**: {_listed(winners)}.")
    if equals:
        lines.append(f"Not to be told apart from {label}: {_listed(equals)}.")
    return " ".join(lines)


def _listed(found: list[tuple[float, str]]) -> str:
    return "; ".join(text for _, text in sorted(found))
