"""What is trained, and how."""

from __future__ import annotations

from typing import NamedTuple


class Task(NamedTuple):
    """What a contender has to do.

    Attributes:
        model: "linearnet" or "cnn".
        batch_size: images in a training batch.
        threads: CPU threads to compute with.
        seed: of the initial weights and of the order of images.
    """

    model: str
    batch_size: int
    threads: int
    seed: int
