"""Whether two runs are the same training: every number, to the last bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from fmnistlab.experiments.records.differences import (
    Difference,
    differing,
    differing_epochs,
    values_in,
)
from fmnistlab.experiments.records.finished_run import FinishedRun
from fmnistlab.experiments.run_folder_state import (
    CHECKPOINT,
    CONFIG,
    HISTORY_JSON,
    PREDICTIONS,
    RESULT,
)

TIMES: Final = ("seconds",)
"""What is another number each time."""

_NOT_REPEATED: Final = ("history", "environment", "origin")
"""Parts of a checkpoint's state: the first is compared by epochs, all else is the environment."""


class Repetition(NamedTuple):
    """What came of comparing a run with its repetition.

    Attributes:
        differences: in words, each with file and key; empty if there are none.
        compared: what was compared, in words.
    """

    differences: tuple[str, ...]
    compared: tuple[str, ...]


def compare_runs(recorded: FinishedRun, repeated: FinishedRun, *, ended_early: bool) -> Repetition:
    """Compares a run with its repetition.

    Args:
        recorded: the run.
        repeated: the repetition.
        ended_early: whether the repetition was ended at an epoch that differs. Then only data and
            epochs are compared: all else had to become another.
    """
    found = _told(CONFIG, differing(_data(recorded), _data(repeated)))
    found += _told(HISTORY_JSON, differing_epochs(recorded.history, repeated.history, but=TIMES))
    count = len(repeated.history)
    compared = ["data and split", "1 epoch" if count == 1 else f"{count} epochs"]
    if not ended_early:
        found += _told(CHECKPOINT, _checkpoint_differences(recorded, repeated))
        result = _result(recorded)
        found += _told(RESULT, differing(result, _result(repeated)))
        tensors = len(repeated.saved.tensors)
        compared.append(
            f"{tensors} tensors and {values_in(_state(repeated))} values of the checkpoint"
        )
        compared.append(f"{values_in(result)} values of {RESULT}")
        if recorded.predictions is not None and repeated.predictions is not None:
            tensors_of = recorded.predictions.tensors(), repeated.predictions.tensors()
            found += _told(PREDICTIONS, _tensor_differences(*tensors_of))
            compared.append(f"predictions for {len(recorded.predictions.labels):,} images")
    return Repetition(tuple(found), tuple(compared))


def _told(file: str, found: Iterable[Difference]) -> list[str]:
    return [f"{file}: {place}: {one} recorded, {other} repeated" for place, one, other in found]


def _data(run: FinishedRun) -> dict[str, Any]:
    config = dataclasses.asdict(run.config)
    return {"data": config["data"], "split": config["split"]}


def _result(run: FinishedRun) -> dict[str, Any]:
    # Pictures need an optional package, which may have come or gone since.
    left_out = (*TIMES, "pictures")
    return {k: v for k, v in dataclasses.asdict(run.result).items() if k not in left_out}


def _state(run: FinishedRun) -> dict[str, Any]:
    return {name: v for name, v in run.saved.state.items() if name not in _NOT_REPEATED}


def _checkpoint_differences(recorded: FinishedRun, repeated: FinishedRun) -> list[Difference]:
    one, other = recorded.saved, repeated.saved
    return [
        *differing(_state(recorded), _state(repeated)),
        *differing_epochs(one.history, other.history, but=TIMES),
        *_tensor_differences(one.tensors, other.tensors),
    ]


def _tensor_differences(
    one: Mapping[str, Tensor], other: Mapping[str, Tensor]
) -> Iterable[Difference]:
    for name in sorted({*one, *other}):
        mine, theirs = one.get(name), other.get(name)
        if mine is None or theirs is None or _kind(mine) != _kind(theirs):
            yield Difference(f"tensor {name}", _kind(mine), _kind(theirs))
        elif different := int((_bits(mine) != _bits(theirs)).any(dim=1).sum()):
            all_of_them, others = f"{mine.numel():,} numbers", f"{different:,} others"
            yield Difference(f"tensor {name}", all_of_them, others)


def _kind(tensor: Tensor | None) -> str:
    if tensor is None:
        return "nothing"
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _bits(tensor: Tensor) -> Tensor:
    """Returns the bytes of each number, uint8 (numbers, bytes)."""
    return tensor.reshape(tensor.numel(), 1).contiguous().view(torch.uint8)
