"""What every script can do."""

from __future__ import annotations

import abc
from typing import ClassVar

from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.faults.preloaded import preload
from benchmarks.faults.scripts.start import Start

preload()


class Script(abc.ABC):
    """A training that saves as it goes, and goes on from the newest save that it finds.

    Attributes:
        start: what it was told.
        steps: optimizer steps that were made in this process.
        epochs_only: whether only ends of epochs can be saved; an option of this name wins.
    """

    epochs_only: ClassVar[bool] = False

    def __init__(self, start: Start) -> None:
        self.start = start
        self.steps = 0

    @abc.abstractmethod
    def run(self) -> str:
        """Trains to the end and returns the SHA-256 of the weights."""


class TorchScript(Script):
    """A script whose steps are made by an optimizer of torch."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        register_optimizer_step_post_hook(self._count)

    def _count(self, *ignored: object) -> None:
        self.steps += 1
