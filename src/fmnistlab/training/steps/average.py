"""An exponential average of weights, as `torch.optim.swa_utils.AveragedModel` computes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """The average of all weights and buffers of a model over the steps of a fit.

    The first step's weights are taken as they are, each later step's with 1 - decay. Buffers that
    are no floating-point numbers, such as counters, are those of the last step.

    Args:
        model: on its device, in its final layout.
        decay: above 0, below 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model = model
        self._mix = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call] # torch's own
        self._averages: dict[str, Tensor] = {}
        self._count = 0
        self._places: Mapping[int, Tensor] = {}
        self._pairs: tuple[list[Tensor], list[Tensor]] | None = None

    def follow(self, places: Mapping[int, Tensor]) -> None:
        """Notes that the model's tensors may be others now, or that weights lie elsewhere.

        Args:
            places: where the present weights are, by the identity of their parameter; those that
                are missing lie in the parameter itself.
        """
        self._places, self._pairs = places, None

    @torch.no_grad()
    def update(self) -> None:
        """Takes up the weights after a step."""
        self._count += 1
        if self._count == 1:
            self._averages = {name: t.detach().clone() for name, t in self._present().items()}
            self._pairs = None
            return
        if self._pairs is None:
            present = self._present()
            floats = [name for name, tensor in present.items() if tensor.is_floating_point()]
            for name in floats:
                self._averages.setdefault(name, present[name].detach().clone())
            self._pairs = [self._averages[name] for name in floats], [present[n] for n in floats]
        self._mix(*self._pairs, self._count)

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Lets the model have the averaged weights inside the block.

        What is done to them there stays in the average; the model's own come back unchanged.
        """
        own = {name: tensor.detach().clone() for name, tensor in self._tensors().items()}
        self.settle()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in self._tensors().items():
                    if name in own:
                        if self._count:
                            self._averages[name] = tensor.detach().clone()
                        tensor.copy_(own[name])
            self._pairs = None

    @torch.no_grad()
    def settle(self) -> None:
        """Gives the model the averaged weights; before the first step it keeps its own."""
        for name, tensor in self._tensors().items():
            if name in self._averages and tensor.is_floating_point():
                tensor.copy_(self._averages[name])

    def state(self) -> dict[str, Any]:
        """Returns the average and of how many steps it is."""
        weights = {name: tensor.clone() for name, tensor in self._averages.items()}
        return {"count": self._count, "weights": weights}

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self._count, self._pairs = int(state["count"]), None
        tensors = self._tensors()
        self._averages = {
            name: torch.empty_like(tensors[name]).copy_(tensor)
            for name, tensor in state["weights"].items()
            if name in tensors
        }

    def _tensors(self) -> dict[str, Tensor]:
        """Returns the model's parameters and saved buffers, by name."""
        return dict(self._model.state_dict(keep_vars=True))

    def _present(self) -> dict[str, Tensor]:
        """Returns where the weights are now, by name."""
        return {name: self._places.get(id(t), t) for name, t in self._tensors().items()}
