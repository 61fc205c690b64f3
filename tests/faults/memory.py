"""Out of memory: a named error, and the same process trains on with smaller batches."""

from __future__ import annotations

import gc
import random
import resource
from pathlib import Path
from typing import Any

import torch
from tests.faults import trial
from tests.faults.children import run_child
from tests.faults.score import Drill, Score
from tests.faults.side_by_side import tried
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from fmnistlab.errors import DeviceMemoryError
from fmnistlab.training.trainer import Trainer

IMAGES = 512
AT_ONCE = 2
"""Trials at once: each takes 600 MB."""

SLACK = 2**20 * 40
"""Bytes by which the memory may be larger afterwards; Python and malloc keep some of it."""


class _Wide(nn.Module):
    """Needs 2 MB for each image of a batch in the forward pass, or fails where it is told to."""

    def __init__(self, fail_at: int | None, width: int = 2**19) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 10)
        self.width, self.fail_at, self.calls = width, fail_at, 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += self.training
        if self.fail_at is not None and self.calls == self.fail_at:
            self.fail_at = None
            raise torch.OutOfMemoryError("planted: tried to allocate 2.00 GiB")
        wide = images.new_ones(len(images), self.width) if self.fail_at is None else 0
        logits: Tensor = self.layer(images.flatten(1))
        return logits + (wide.mean(1, keepdim=True) if isinstance(wide, Tensor) else 0)


def _resident() -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def _starve(batch_size: int, fail_at: int | None) -> dict[str, Any]:
    """Trains in a child that may have 600 MB more than now; then with a batch it can bear."""
    images, labels = trial.data()[0].resident()
    data = TensorDataset(images.repeat(8, 1, 1, 1), labels.repeat(8))
    if fail_at is None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 600 * 2**20,) * 2)
    before = _resident()
    width = 2**19 if fail_at is None else 16
    recipe = trial.RECIPE.replace(epochs=1, batch_size=batch_size)
    said = ""
    try:
        Trainer(_Wide(fail_at, width), recipe, device="cpu").fit(data)
    except DeviceMemoryError as error:
        said = str(error)
    gc.collect()
    after = _resident()
    history = Trainer(_Wide(None, 16), recipe.replace(batch_size=16), device="cpu").fit(data)
    return {"said": said, "kept": after - before, "epochs": len(history)}


def run(trials: int, seed: int) -> Score:
    """Half of the trials run into a real limit, half into torch's own error at a random step."""
    trial.uninterrupted()  # what torch imports for the first training is not counted

    def one(number: int, score: Score) -> None:
        chooser = random.Random(f"{seed} {number}")
        real = number % 2 == 0
        batch_size = chooser.choice([384, 448, IMAGES]) if real else chooser.choice([8, 16])
        fail_at = None if real else chooser.randint(1, IMAGES // batch_size)
        ending = run_child(lambda: _starve(batch_size, fail_at))
        found = ending.result or {}
        good = (
            f"batches of {batch_size} images" in found.get("said", "")
            and "cpu" in found["said"]
            and found["kept"] < SLACK
            and found["epochs"] == 1
        )
        score.count(good=good, trial=f"batch {batch_size}, fails at {fail_at}: {ending}")

    return tried(one, trials, at_once=AT_ONCE)


DRILL = Drill("out of memory: named, memory given back, the process trains on", run, 20, 100)
