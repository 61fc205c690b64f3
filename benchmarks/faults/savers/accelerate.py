"""Accelerate's save_state."""

from __future__ import annotations

from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration

from benchmarks.faults.savers.saver import Saver
from benchmarks.faults.savers.state import Parts, fill, held, numbers, optimizer_for


class Same(Saver):
    """Weights, optimizer and random states, in files that each save overwrites."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.accelerator = Accelerator(cpu=True, project_config=self.configuration())
        module = Parts()
        self.module, wrapped = self.accelerator.prepare(module, optimizer_for(module))
        self.optimizer = wrapped.optimizer

    def configuration(self) -> ProjectConfiguration | None:
        """Returns where and how states are saved, if not into a folder that is told each time."""
        return None

    def save(self, number: int) -> None:
        fill(self.module, self.optimizer, number)
        self.accelerator.save_state(str(self.folder / "state"))

    def load(self) -> list[float]:
        self.accelerator.load_state(str(self.folder / "state"))
        return numbers(held(self.module, self.optimizer))


class Numbered(Same):
    """Each save has a folder of its own; two are kept, and load_state chooses the newest."""

    def configuration(self) -> ProjectConfiguration | None:
        return ProjectConfiguration(
            project_dir=str(self.folder), automatic_checkpoint_naming=True, total_limit=2
        )

    def save(self, number: int) -> None:
        fill(self.module, self.optimizer, number)
        self.accelerator.save_state()

    def load(self) -> list[float]:
        self.accelerator.load_state()
        return numbers(held(self.module, self.optimizer))
