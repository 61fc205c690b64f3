"""Contenders that take turns: A, B, C, A, B, C, so that a busy machine slows all alike."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from benchmarks.processes import Measurement, MeasurementError

Settings: TypeAlias = dict[str, str | int]
"""What is the same for all contenders of one table, such as model and number of threads."""


class Job(NamedTuple):
    """Something that is measured once in each round.

    Attributes:
        name: of the contender.
        settings: in which table the result belongs.
        measure: takes the number of the round, from 1, and measures once in a fresh process.
        packages: what must be installed, by import name.
    """

    name: str
    settings: Settings
    measure: Callable[[int], Measurement]
    packages: tuple[str, ...] = ()


class Entry(NamedTuple):
    """What became of a job.

    Attributes:
        status: "measured", "not installed" or "failed".
        measurements: one for each round; none unless the status is "measured".
        reason: why it failed, or what is not installed.
    """

    status: str
    measurements: list[Measurement]
    reason: str = ""


def take_turns(jobs: Sequence[Job], rounds: int, *, unmeasured: int = 0) -> list[Entry]:
    """Runs all jobs once per round and returns one entry for each job, in the same order.

    A job that fails is not tried again; the others go on.

    Args:
        jobs: run in this order in every round.
        rounds: how often each is measured, from 1.
        unmeasured: rounds before these, whose results are thrown away.
    """
    entries = [_first_entry(job) for job in jobs]
    for number in range(1 - unmeasured, rounds + 1):
        for place, job in enumerate(jobs):
            if entries[place].status != "measured":
                continue
            try:
                measurement = job.measure(number)
            except MeasurementError as error:
                entries[place] = Entry("failed", [], str(error))
                _say(f"{_describe(job)}: FAILED: {error}")
                continue
            if number >= 1:
                entries[place].measurements.append(measurement)
                seconds = measurement.get("seconds")
                shown = "done" if seconds is None else f"{seconds:.3f} s"
                _say(f"round {number} of {rounds}: {_describe(job)}: {shown}")
    return entries


def _first_entry(job: Job) -> Entry:
    missing = [name for name in job.packages if importlib.util.find_spec(name) is None]
    if missing:
        _say(f"{_describe(job)}: {', '.join(missing)} is not installed")
        return Entry("not installed", [], ", ".join(missing))
    return Entry("measured", [])


def _describe(job: Job) -> str:
    return " ".join([*(f"{name} {value}," for name, value in job.settings.items()), job.name])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
