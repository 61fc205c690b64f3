"""How many CPU threads torch computes with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from fmnistlab.errors import ConfigurationError


@contextlib.contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Lets torch compute with `count` threads inside the block, and puts the number back after it.

    Small models gain little from more threads: on two idle cores a second one saves a fifth of an
    epoch of the CNN. On a busy machine threads that wait for each other cost a multiple of the
    time. And sums that several threads share out are added in another order, so that results
    depend on their number in the last digits.

    Args:
        count: number of threads, from 1.

    Raises:
        ConfigurationError: the number is below 1.
    """
    if count < 1:
        raise ConfigurationError(f"threads is {count}; use a whole number from 1.")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
