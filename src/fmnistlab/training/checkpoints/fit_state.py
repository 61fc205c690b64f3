"""Where a fit stands between two steps: what it takes, besides model and optimizer, to go on."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from fmnistlab.errors import CheckpointError, ConfigurationError
from fmnistlab.foundation.checks import shown
from fmnistlab.foundation.global_random import RandomStates
from fmnistlab.training.checkpoints.arrangement import Arrangement
from fmnistlab.training.checkpoints.state_reading import unpack_tree
from fmnistlab.training.checkpoints.state_tree import UnkeepableError, pack_tree
from fmnistlab.training.records.meter import MeterState

_KINDS: Final[Mapping[str, type | types.UnionType]] = {
    "first_epoch": int,
    "last_epoch": int,
    "batch": int,
    "seconds": float,
    "stop_reason": str | None,
    "schedule": dict | None,
    "meter": dict,
    "random": dict | None,
    "generators": list,
    "callbacks": dict,
    "start": float | None,
    "average": dict | None,
}
"""What a file must hold; the rest is read by what it makes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitState:
    """Where a fit stands.

    Attributes:
        first_epoch: number of its first epoch, from 1.
        last_epoch: number of the epoch after which it ends.
        batch: steps made in the epoch that goes on; 0 between two epochs.
        seconds: wall time of that epoch so far.
        stop_reason: why it is to end early, or None.
        schedule: state of the learning rate's schedule, or None if it stays.
        data: names of the training and the validation set, see `BatchSource.identity`; while the
            fit runs, a function that returns them, because telling them takes a moment.
        meter: losses of the epoch so far.
        random: where the random generators stand; None between two epochs, which seed them.
        generators: where the data's own generators stood when the epoch began, uint8 each.
        callbacks: state of each callback that has one, by a key that tells whose it is.
        began: how parameters were arranged when the fit began.
        epoch_began: likewise when the epoch that goes on began; None between two epochs.
        start: mean loss of the fit's first batch, or None before it; see `ExplosionWatch`.
        average: the average of weights and of how many steps it is, or None if there is none.
    """

    first_epoch: int
    last_epoch: int
    batch: int
    seconds: float
    stop_reason: str | None
    schedule: dict[str, Any] | None
    data: dict[str, str | None] | Callable[[], dict[str, str | None]]
    meter: MeterState
    random: RandomStates | None
    generators: list[Tensor]
    callbacks: dict[str, dict[str, Any]]
    began: Arrangement
    epoch_began: Arrangement | None
    start: float | None = None
    average: dict[str, Any] | None = None

    def pack(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Returns all tensors by name, and the rest as values of JSON.

        Raises:
            ConfigurationError: a callback's state holds something that no checkpoint could keep.
        """
        tree = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "data"  # which is told later
        }
        tree["meter"] = self.meter._asdict()
        tree["random"] = None if self.random is None else self.random._asdict()
        for name in ("began", "epoch_began"):
            tree[name] = None if tree[name] is None else dataclasses.asdict(tree[name])
        try:
            tensors, values = pack_tree(tree, "")
        except UnkeepableError as error:
            raise ConfigurationError(
                f"The state of this fit cannot be kept in a checkpoint: {error.place} is "
                f"{error.found}. A callback's state_dict() may hold tensors, numbers, text and "
                "None, in dictionaries, lists, tuples and sets."
            ) from error
        return tensors, {"data": self.data, "tree": values}

    @classmethod
    def unpack(cls, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> FitState:
        """Returns the state that `pack` took apart.

        Raises:
            CheckpointError: a part is missing or of the wrong kind.
        """
        try:
            tree = unpack_tree(tensors, values["tree"])
            for name, kind in _KINDS.items():
                if not isinstance(tree[name], kind):
                    raise TypeError(f"{name} is {shown(tree[name])}")
            tree["meter"] = _meter(tree["meter"])
            tree["random"] = None if tree["random"] is None else _random(tree["random"])
            tree["began"] = Arrangement.from_json(tree["began"])
            if tree["epoch_began"] is not None:
                tree["epoch_began"] = Arrangement.from_json(tree["epoch_began"])
            if tree["average"] is not None and type(tree["average"]["count"]) is not int:
                raise TypeError("the average of weights has no count")
            return cls(data=values["data"], **tree)
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the state of the fit is incomplete: {error!r}") from error


def _meter(values: dict[str, Any]) -> MeterState:
    """Returns what a meter has noted, as a file tells it."""
    meter = MeterState(**values)
    sums, weights, *counts = meter
    if not (sums.dtype == weights.dtype == torch.float64 and sums.shape == weights.shape):
        raise TypeError("the losses and their weights are of different kinds")
    if sums.ndim != 1 or any(type(count) is not int for count in counts):
        raise TypeError("what the meter has noted has another form")
    return meter


def _random(values: dict[str, Any]) -> RandomStates:
    """Returns where random generators stand, as a file tells it."""
    states = RandomStates(**values)
    if not isinstance(states.torch, Tensor) or not isinstance(states.accelerator, Tensor | None):
        raise TypeError("the states of torch's generators are no tensors")
    if not isinstance(states.others, dict):
        raise TypeError("the states of Python's and numpy's generators have no names")
    return states


def generator_states(generators: list[torch.Generator]) -> list[Tensor]:
    """Returns where random generators stand."""
    return [generator.get_state() for generator in generators]
