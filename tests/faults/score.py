"""What a drill reports: how many trials there were, how many ended well, and which did not."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from typing import NamedTuple


@dataclasses.dataclass
class Score:
    """Counts trials.

    Attributes:
        passed: trials that ended as they must.
        total: all trials.
        failures: one sentence for each of the others.
        notes: figures worth showing, such as "12 % of the kills hit a save".
        figures: what notes are made of, counted over all trials.
    """

    passed: int = 0
    total: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    figures: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def count(self, *, good: bool, trial: str) -> None:
        """Counts one trial.

        Args:
            good: whether it ended as it must.
            trial: what was tried and, if it went wrong, what came out.
        """
        self.total += 1
        self.passed += good
        if not good:
            self.failures.append(trial)

    def add(self, later: Score) -> None:
        """Counts the trials of another score after those of this one."""
        self.total += later.total
        self.passed += later.passed
        self.failures += later.failures
        self.notes += later.notes
        self.figures += later.figures


class Drill(NamedTuple):
    """One kind of fault.

    Attributes:
        title: what is promised, for the scoreboard.
        run: makes trials; takes their number and a seed that determines all of them.
        short: trials in every run of the tests.
        long: trials before a release.
    """

    title: str
    run: Callable[[int, int], Score]
    short: int
    long: int
