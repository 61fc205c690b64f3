"""Trials that wait, for a disk or for each other's end, wait side by side."""

from __future__ import annotations

import functools
import os
import select
import signal
from collections.abc import Callable, Sequence
from typing import Any

from tests.faults.children import Child, Ending
from tests.faults.score import Score

AT_ONCE = 2 * min(4, os.cpu_count() or 1)
"""Processes that run at once: two for each core, since most of them wait for the disk."""

LONGEST = 600.0
"""Seconds after which a process of trials counts as hung; each child of a trial has its own."""


def tried(
    one: Callable[[int, Score], None], trials: int, *, each: int = 1, at_once: int = AT_ONCE
) -> Score:
    """Makes trials in forked processes, several at once.

    Args:
        one: makes one trial; takes its number, from 0, which with the seed of the drill must
            determine it, and the score in which it counts.
        trials: how many there are.
        each: consecutive trials that share a process.
        at_once: processes that run at once.

    Returns:
        The scores of all trials in the order of their numbers. A process that died or hung is a
        trial that failed.
    """

    def share(first: int) -> Score:
        score = Score()
        for number in range(first, min(first + each, trials)):
            one(number, score)
        return score

    firsts = range(0, trials, each)
    endings = run_all([functools.partial(share, first) for first in firsts], at_once=at_once)
    score = Score()
    for first, ending in zip(firsts, endings, strict=True):
        if isinstance(ending.result, Score):
            score.add(ending.result)
        else:
            score.count(good=False, trial=f"the process from trial {first} on: {ending}")
    return score


def run_all(functions: Sequence[Callable[[], Any]], *, at_once: int = AT_ONCE) -> list[Ending]:
    """Runs functions in forked processes, several at once; returns their ends in order."""
    endings: dict[int, Ending] = {}
    running: dict[int, Child] = {}
    try:
        for place, function in enumerate(functions):
            if len(running) >= at_once:
                _wait_for_some(running, endings)
            running[place] = Child(function, longest=LONGEST)
        while running:
            _wait_for_some(running, endings)
    finally:
        for child in running.values():  # some are left only if an error ends it
            child.signal(signal.SIGKILL)
            child.wait()
    return [endings[place] for place in range(len(functions))]


def _wait_for_some(running: dict[int, Child], endings: dict[int, Ending]) -> None:
    """Moves at least one child from the running ones to those that have ended."""
    patience = min(child.time_left() for child in running.values())
    ended = select.select([*running.values()], [], [], patience)[0]
    hung = [child for child in running.values() if not child.time_left()]
    for place, child in [*running.items()]:
        if child in ended or child in hung:
            endings[place] = running.pop(place).wait()
