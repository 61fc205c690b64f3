"""How many CPU threads torch computes with."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import torch

from fmnistlab.foundation.checks import whole_number

MAX_THREADS: Final = 1024
"""More than any machine of today has cores for one process; torch takes numbers that no system can
give it, and fails only when it computes."""


@contextlib.contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Lets torch compute with `count` threads inside the block, and puts the number back after it.

    Small models gain little from more threads: on two idle cores a second one saves a fifth of an
    epoch of the CNN. On a busy machine threads that wait for each other cost a multiple of the
    time. And sums that several threads share out are added in another order, so that results
    depend on their number in the last digits.

    Args:
        count: number of threads, 1 to `MAX_THREADS`.

    Raises:
        ConfigurationError: the number is out of range.
    """
    wanted = whole_number("threads", count, most=MAX_THREADS)
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


ROUNDS: Final = 7
"""Turns that each number of threads gets when the fastest is looked for."""


def possible_threads() -> list[int]:
    """Returns 1, 2, 4 and so on, up to the number of cores that this process may use.

    None of them is above `MAX_THREADS`.
    """
    if hasattr(os, "sched_getaffinity"):  # which macOS and Windows lack
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return [1 << power for power in range(min(cores, MAX_THREADS).bit_length())]


def fastest_threads(work: Callable[[], object]) -> tuple[int, Mapping[int, float]]:
    """Measures with how many threads a piece of work takes the least time now.

    The numbers of threads take turns, so that a machine that is busy for a moment slows all alike,
    and the median of each counts. Another number must gain a tenth over a single thread, since with
    one thread a training does not depend on what else the machine does.

    Args:
        work: some training steps, say 20; called `ROUNDS` + 1 times for each number of threads.

    Returns:
        The number, and the median seconds of each that was tried.
    """
    choices = possible_threads()
    seconds: dict[int, list[float]] = {choice: [] for choice in choices}
    for turn in range(ROUNDS + 1):
        for choice in choices:
            with cpu_threads(choice):
                started = time.perf_counter()
                work()
                elapsed = time.perf_counter() - started
            if turn:  # the first turn warms up
                seconds[choice].append(elapsed)
    medians = {choice: statistics.median(times) for choice, times in seconds.items()}
    best = min(medians, key=lambda choice: medians[choice])
    return (best if medians[best] < 0.9 * medians[1] else 1), medians
