"""Small comparisons: models that misbehave on demand, and what lies in a folder afterwards."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fmnistlab.experiments.comparison.compare import compare
from fmnistlab.experiments.comparison.comparison import Comparison
from fmnistlab.models.registry import register_model
from fmnistlab.models.seeded import seeded_model
from fmnistlab.testing import write_tiny_csv
from fmnistlab.training.checkpoints.file import decode_checkpoint
from fmnistlab.training.recipes.recipe import Recipe

RECIPE = Recipe(epochs=2, batch_size=32)
TIMES = ("seconds",)


def small(folder: Path, *variants: Any, **settings: Any) -> Comparison:
    """Compares models on the tiny data beside the folder, which is made if it is missing."""
    data = data_beside(folder)
    chosen: dict[str, Any] = {"seeds": 2, "recipe": RECIPE, "data": data, "n_jobs": 1}
    return compare([*variants], out=folder, **{**chosen, "pictures": False, **settings})


def words(
    folder: Path, *variants: str, seeds: str = "2", jobs: int = 1, epochs: int = 2
) -> list[str]:
    """Returns the words of the command that does the same."""
    data = str(data_beside(folder))
    more = ["--seeds", seeds, "--epochs", str(epochs), "--jobs", str(jobs), "--data", data]
    return ["compare", *variants, *more, "--out", str(folder)]


def data_beside(folder: Path) -> Path:
    """Returns the tiny data, which is made if it is missing."""
    data = folder.parent / "tiny.csv"
    return data if data.exists() else write_tiny_csv(data, rows=120)


class Plain(nn.Module):
    """A linear classifier, which does something in each forward pass of a training."""

    def __init__(self, action: Callable[[float], None] | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(784, 10)
        self.omen = float(torch.rand(()))
        """A number from 0 to 1 that the seed determines."""
        self.action = action

    def forward(self, images: Tensor) -> Tensor:
        if self.training and self.action is not None:
            self.action(self.omen)
        logits: Tensor = self.linear(images.flatten(1))
        return logits


def plain(name: str) -> str:
    """Registers a model that works; returns its name."""

    def make() -> nn.Module:
        return Plain()

    return registered(name, make)


def registered(name: str, make: Callable[..., nn.Module]) -> str:
    """Registers a model for this process, which other processes cannot find; returns its name."""
    make.__qualname__ = f"make_{name}"
    register_model(name)(make)
    return name


def failing(name: str, healed: Path, error: str = "ValueError('planted')") -> str:
    """Registers a model that raises for some seeds, until there is a file; returns its name."""

    def act(omen: float) -> None:
        if omen < 0.5 and not healed.exists():
            raise eval(error)

    def make() -> nn.Module:
        return Plain(act)

    return registered(name, make)


def killed(name: str, notes: Path, times: int) -> str:
    """Registers a model whose process is killed some times; returns its name."""
    here = os.getpid()

    def act(omen: float) -> None:
        for number in range(times):
            try:
                (notes / f"{name}-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            if os.getpid() == here:
                raise RuntimeError("the process of the tests would have been killed")
            os.kill(os.getpid(), signal.SIGKILL)

    def make() -> nn.Module:
        return Plain(act)

    return registered(name, make)


def omens(name: str, seeds: int) -> list[float]:
    """Returns what the model of each seed draws."""
    return [float(seeded_model(name, seed).omen) for seed in range(seeds)]  # type: ignore[arg-type] # it is one


def contents(folder: Path, but: Path | None = None) -> dict[str, tuple[bytes, int]]:
    """Returns bytes and time of change of every file below a folder, but those of one in it."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (but is None or not path.is_relative_to(but))
    ]
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def facts(folder: Path) -> dict[str, Any]:
    """Returns what lies in the folder of a comparison, but pictures, pages, times and the machine.

    Files of other names, and those of which only the name is compared, are True.
    """
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in (".png", ".html"):
            continue
        if path.name in ("result.json", "comparison.json", "history.json"):
            found[name] = timeless(json.loads(path.read_text()))
        elif path.name == "predictions.safetensors":
            found[name] = path.read_bytes()
        elif path.name == "checkpoint.safetensors":
            tensors = decode_checkpoint(path.read_bytes(), path).tensors
            found[name] = {
                name: (str(tensor.dtype), list(tensor.shape), _bytes(tensor))
                for name, tensor in tensors.items()
            }
        else:
            found[name] = True
    return found


def timeless(value: Any) -> Any:
    """Returns values of JSON without seconds."""
    if isinstance(value, dict):
        return {key: timeless(part) for key, part in value.items() if key not in TIMES}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def _bytes(tensor: Tensor) -> bytes:
    return tensor.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()
