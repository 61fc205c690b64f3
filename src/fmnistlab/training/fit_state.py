"""Where a fit stands between two steps: what it takes, besides model and optimizer, to go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from fmnistlab.errors import CheckpointError
from fmnistlab.global_random import RandomStates
from fmnistlab.training.meter import MeterState


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitState:
    """Where a fit stands.

    Attributes:
        first_epoch: number of its first epoch, from 1.
        last_epoch: number of the epoch after which it ends.
        batch: steps made in the epoch that goes on; 0 between two epochs.
        seconds: wall time of that epoch so far.
        stop_reason: why it shall end early, or None.
        schedule: state of the learning rate's schedule, or None if it is constant.
        data: names of the training and the validation set, see `BatchSource.identity`; while the
            fit runs, a function that returns them, because telling them takes a moment.
        meter: losses of the epoch so far.
        random: where the random generators stand; None between two epochs, which seed them.
        generators: where the data's own generators stood when the epoch began, uint8 each.
        callbacks: state of each callback that has one, by a key that tells whose it is.
        start: mean loss of the fit's first batch, or None before it; see `ExplosionWatch`.
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
    start: float | None = None

    def pack(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Returns all tensors by name, and the rest as values of JSON."""
        tensors: dict[str, Tensor] = {
            "losses": self.meter.sums,
            "loss_weights": self.meter.weights,
        }
        values: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                *("first_epoch", "last_epoch", "batch", "seconds", "stop_reason"),
                *("schedule", "data", "start"),
            )
        }
        values["meter"] = {
            name: getattr(self.meter, name) for name in ("correct", "counted", "seen")
        }
        values["random"] = None
        if self.random is not None:
            tensors["random/torch"] = self.random.torch
            if self.random.accelerator is not None:
                tensors["random/accelerator"] = self.random.accelerator
            values["random"] = self.random.others
        tensors |= {f"generators/{n}": state for n, state in enumerate(self.generators)}
        values["callbacks"] = {}
        for key, state in self.callbacks.items():
            of_callback, values["callbacks"][key] = _split(state)
            tensors |= {f"callbacks/{key}/{name}": t for name, t in of_callback.items()}
        return tensors, values

    @classmethod
    def unpack(cls, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> FitState:
        """Returns the state that `pack` took apart.

        Raises:
            CheckpointError: a part is missing or of the wrong kind.
        """
        try:
            values = dict(values)
            meter = MeterState(tensors["losses"], tensors["loss_weights"], **values.pop("meter"))
            others = values.pop("random")
            random = None
            if others is not None:
                accelerator = tensors.get("random/accelerator")
                random = RandomStates(tensors["random/torch"], accelerator, others)
            callbacks = {
                key: state | _with_prefix(tensors, f"callbacks/{key}/")
                for key, state in values.pop("callbacks").items()
            }
            if not isinstance(values.get("start"), float | None):
                raise TypeError("the loss at the start is no number")
            generators = [*_with_prefix(tensors, "generators/").values()]
            return cls(
                meter=meter, random=random, generators=generators, callbacks=callbacks, **values
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"the state of the fit is incomplete: {error!r}") from error


def _split(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    return tensors, {name: value for name, value in state.items() if name not in tensors}


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    names = sorted(name for name in tensors if name.startswith(prefix))
    return {name.removeprefix(prefix): tensors[name] for name in names}


def generator_states(generators: list[torch.Generator]) -> list[Tensor]:
    """Returns where random generators stand."""
    return [generator.get_state() for generator in generators]
