"""A run folder of a short training, and ways to falsify what is in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.experiment import run_experiment
from fmnistlab.testing import write_tiny_csv
from fmnistlab.training.checkpoints.file import decode_checkpoint, encode_checkpoint
from fmnistlab.training.recipes.recipe import Recipe

CHECKPOINT = "checkpoint.safetensors"
RECORDS = ("config.json", "history.json", "result.json")


def train_tiny_run(folder: Path) -> Path:
    """Trains LinearNet for two epochs on 64 images and returns the run folder."""
    data = write_tiny_csv(folder / "tiny.csv", rows=80)
    config = ExperimentConfig(
        model="linearnet", data=data, recipe=Recipe(epochs=2), out=folder / "run"
    )
    return run_experiment(config).folder


def command(name: str, run: Path) -> list[str]:
    """The words of a command on the run folder; `train` goes on with it as it was begun."""
    if name != "train":
        return [name, str(run)]
    source = json.loads((run / "config.json").read_text())["data"]["source"]
    return ["train", "linearnet", "--data", source, "--epochs", "2", "--out", str(run), "--resume"]


def falsify(path: Path, change: Callable[[Any], object]) -> None:
    """Changes the JSON of a record, in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def falsify_checkpoint(
    run: Path, change: Callable[[dict[str, torch.Tensor], dict[str, Any]], object]
) -> None:
    """Changes tensors and state of the checkpoint, in place, with a hash that is right."""
    path = run / CHECKPOINT
    tensors, state = decode_checkpoint(path.read_bytes(), path)
    change(tensors, state)
    path.write_bytes(encode_checkpoint(tensors, state))


def at(content: Any, place: str) -> tuple[Any, Any]:
    """Returns what holds a place such as "data.test.rows" or "classes.3.count", and the key."""
    *way, last = (int(part) if part.isdecimal() else part for part in place.split("."))
    for part in way:
        content = content[part]
    return content, last


def put(place: str, value: object) -> Callable[[Any], None]:
    """Returns what puts a value at a place of a record; ... takes it away."""

    def change(content: Any) -> None:
        holder, key = at(content, place)
        if value is ...:
            del holder[key]
        else:
            holder[key] = value

    return change


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _as_link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _huge(path: Path) -> None:
    os.truncate(path, 2**40)  # a file with a hole, which takes no room


HOSTILE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "a folder": _as_folder,
    "a pipe": _as_pipe,
    "a link": _as_link,
    "empty": lambda path: path.write_bytes(b""),
    "cut": _cut,
    "huge": _huge,
    "deep": lambda path: path.write_text('{"a":' * 100_000),
    "deep and whole": lambda path: path.write_text("[" * 200 + "]" * 200),
    "a key twice": lambda path: path.write_text('{"seed": 1, ' + path.read_text()[1:]),
    "not UTF-8": lambda path: path.write_bytes(path.read_bytes().replace(b'"', b"\xff", 1)),
    "a byte order mark": lambda path: path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes()),
    "UTF-16": lambda path: path.write_text(path.read_text(), encoding="utf-16"),
    "a list": lambda path: path.write_text(f"[{path.read_text()}]"),
    "a number": lambda path: path.write_text("1e999"),
    "digits": lambda path: path.write_text("9" * 100_000),
    "nan": lambda path: path.write_text('{"format": NaN}'),
    "of a newer format": lambda path: falsify(path, put("format", 2)),
    "without a format": lambda path: falsify(path, put("format", ...)),
    "with another key": lambda path: falsify(path, put("extra", 1)),
}
"""What may stand in the place of a record, by name."""
