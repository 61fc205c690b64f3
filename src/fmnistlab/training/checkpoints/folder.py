"""A folder of checkpoints: one file for each step, of which the newest undamaged one counts."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

from fmnistlab.errors import CheckpointDamagedError, CheckpointError
from fmnistlab.foundation.logger import get_logger
from fmnistlab.training.checkpoints.file import decode_checkpoint, read_checkpoint

CHECKPOINT_NAME: Final = re.compile(r"step-([0-9]+)\.safetensors")
"""Names of the files that `checkpoint_name` makes."""

_logger = get_logger(__name__)


def checkpoint_name(step: int) -> str:
    """Returns the name of the file for a step, such as "step-00001500.safetensors"."""
    return f"step-{step:08}.safetensors"


def step_of(path: Path) -> int:
    """Returns the step that the name of a checkpoint says.

    Args:
        path: one that `list_checkpoints` returned.
    """
    return int(path.stem.removeprefix("step-"))


def list_checkpoints(folder: str | os.PathLike[str]) -> list[Path]:
    """Returns the checkpoints in a folder, the newest first; nothing is looked at but the names.

    Raises:
        CheckpointError: the folder is missing or cannot be read.
    """
    try:
        found = [(match, path) for path in Path(folder).iterdir() if (match := _match(path))]
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read: {error.strerror}.") from error
    found.sort(key=lambda pair: int(pair[0][1]), reverse=True)
    return [path for _, path in found]


def newest_checkpoint(folder: str | os.PathLike[str]) -> Path | None:
    """Returns the newest checkpoint that is undamaged, or None if there is none.

    A damaged one is logged and passed over.

    Raises:
        CheckpointError: the folder cannot be read, or the newest undamaged checkpoint is of a
            newer format.
    """
    for path in list_checkpoints(folder):
        try:
            decode_checkpoint(read_checkpoint(path), path)
        except CheckpointDamagedError as error:
            _logger.warning("passed over: %s", error)
            continue
        return path
    return None


def checkpoint_owner(path: Path) -> str | None:
    """Returns a text that is the same for all checkpoints of a training and of no other.

    Returns:
        Model, recipe, seed, execution and data as JSON; None if the file is damaged.
    """
    try:
        state = decode_checkpoint(read_checkpoint(path), path).state
    except CheckpointError:
        return None
    fit = state.get("fit") or {}
    owner = {name: state.get(name) for name in ("model", "recipe", "seed", "execution")}
    return json.dumps([owner, fit.get("first_epoch"), fit.get("data")], sort_keys=True)


def _match(path: Path) -> re.Match[str] | None:
    return CHECKPOINT_NAME.fullmatch(path.name)
