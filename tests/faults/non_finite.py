"""Numbers that are not finite end a training at once, and none of them is ever saved."""

from __future__ import annotations

import math
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import torch
from tests.faults import trial
from tests.faults.score import Drill, Score
from tests.faults.side_by_side import tried
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from fmnistlab.callbacks import Callback, Run
from fmnistlab.errors import ItemError, NonFiniteError
from fmnistlab.training.callbacks.checkpointing import Checkpointing
from fmnistlab.training.checkpoints.file import decode_checkpoint, read_checkpoint
from fmnistlab.training.checkpoints.folder import list_checkpoints
from fmnistlab.training.trainer import Trainer

MEND = "Mend such images or leave them out."
KINDS = ("image", "loss", "gradient", "weight", "validation")


class _Poison(nn.Module):
    """The model, with a value that spoils a gradient or the loss in one forward pass."""

    def __init__(self, kind: str, step: int, value: float) -> None:
        super().__init__()
        self.inner = trial.make_model()
        self.kind, self.when, self.value = kind, step, value
        self.calls = 0

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.inner(images)
        if self.training:
            self.calls += 1
        elif self.kind == "validation" and len(images) == 20:
            logits = logits * self.value
        if self.training and self.calls == self.when:
            if self.kind == "loss":
                return logits * self.value
            if self.kind == "gradient":
                value = self.value
                logits.register_hook(lambda gradient: gradient * value)
        return logits


class _SpoilWeight(Callback):
    """Puts a number that is not finite into a weight before a step."""

    def __init__(self, before: int, value: float, chooser: random.Random) -> None:
        self._before, self._value, self._chooser = before, value, chooser

    def on_batch_end(self, run: Run, result: Any) -> None:
        if run.step == self._before - 1:
            parameters = [*run.model.parameters()]
            with torch.no_grad():
                spoilt = self._chooser.choice(parameters)
                spoilt[(0,) * spoilt.ndim] = self._value


def _one(kind: str, step: int, value: float, chooser: random.Random, folder: Path) -> str:
    """Returns what went wrong, or "" if the training ended as it must."""
    model: nn.Module = trial.make_model()
    callbacks: list[Callback] = [Checkpointing(folder, every_steps=1, keep=99)]
    train, valid = trial.data()
    images, labels = train.resident()
    data: Any = TensorDataset(images / 255, labels)
    item = -1
    if kind == "image":
        spoiled = images / 255
        item = chooser.randrange(len(spoiled))
        spoiled[item, 0, 3, 3] = value
        data = TensorDataset(spoiled, labels)
    elif kind == "weight":
        callbacks.insert(0, _SpoilWeight(step, value, chooser))
    else:
        model = _Poison(kind, step, value)
    try:
        Trainer(model, trial.RECIPE, device="cpu", seed=5, callbacks=callbacks).fit(data, valid)
    except ItemError as error:
        if kind != "image" or not str(error).endswith(f"item {item}. {MEND}"):
            return f"refuses other data: {error}"
    except NonFiniteError as error:
        said = re.search(r"Epoch (\d+)", str(error)), re.search(r"step (\d+)", str(error))
        if said[0] is None or "learning rate" not in str(error):
            return f"does not say where: {error}"
        # A save follows each step and looks at all weights, so nothing gets beyond the next step.
        right = {"loss": step, "gradient": step, "weight": step - 1}.get(kind)
        if right is not None and (said[1] is None or int(said[1][1]) != right):
            return f"caught elsewhere: {error}"
    else:
        return "not noticed"
    for path in list_checkpoints(folder):
        tensors = decode_checkpoint(read_checkpoint(path), path).tensors
        if not all(t.isfinite().all() for t in tensors.values() if t.is_floating_point()):
            return f"{path.name} holds it"
    return ""


def run(trials: int, seed: int) -> Score:
    """Puts nan and infinities into images, loss, gradients and weights at random steps."""
    trial.uninterrupted()  # what torch imports for the first training, all processes share

    def one(number: int, score: Score) -> None:
        chooser = random.Random(f"{seed} {number}")
        kind = KINDS[number % len(KINDS)]
        step = chooser.randint(2, trial.STEPS)
        value = chooser.choice([math.nan, math.inf, -math.inf])
        if kind == "validation":
            value = math.nan
        with tempfile.TemporaryDirectory() as name:
            problem = _one(kind, step, value, chooser, Path(name))
        what = f"trial {number} of seed {seed}: {value} in {kind}, step {step}: {problem}"
        score.count(good=not problem, trial=what)

    return tried(one, trials, each=len(KINDS))


DRILL = Drill("nan and infinity: caught in the same step, never saved", run, 50, 200)
