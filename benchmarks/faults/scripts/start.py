"""What a script is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Start(NamedTuple):
    """What a script is told, the first time and whenever it is started again.

    Attributes:
        folder: where saves are; empty at the first start.
        seed: of everything.
        dropout: share of activations that are dropped, 0 to below 1.
        after_save: to be called when the end of a step was saved, with the number of the step.
    """

    folder: Path
    seed: int
    dropout: float
    after_save: Callable[[int], None]
