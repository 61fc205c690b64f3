"""The kinds of tests, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from benchmarks.faults import corruption, entry_points, kills, resume
from benchmarks.faults.candidates import Candidate
from benchmarks.faults.results import Row


class Section(NamedTuple):
    """One kind of test.

    Attributes:
        title: heading of its table.
        explanation: what is done and counted.
        candidates: who takes part.
        measure: tests one candidate; takes it, the number of trials and the seed, and returns what
            JSON can hold.
        table: makes Markdown of the rows.
        trials: how many there are by default; 0 if they cannot be chosen.
        seeded: whether the seed matters.
    """

    title: str
    explanation: str
    candidates: Sequence[Candidate]
    measure: Callable[[Candidate, int, int], Any]
    table: Callable[[Sequence[Row]], str]
    trials: int
    seeded: bool


SECTIONS = {
    module.__name__.rpartition(".")[2].replace("_", "-"): Section(
        module.TITLE,
        " ".join(str(module.__doc__).split()),
        module.CANDIDATES,
        module.measure,
        module.table,
        module.TRIALS,
        module.SEEDED,
    )
    for module in (resume, kills, corruption, entry_points)
}
"""All of them by name."""
