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

    The first step's weights are taken as they are, each later step's with 1 - decay. Counters and
    other buffers of whole numbers are those of the last step. A tensor that the model has under
    several names is one.

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
        self._buffers: list[Tensor] = []
        self._own: dict[str, Tensor] | None = None

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
        buffers = [*self._model.buffers()]  # a model's forward may put others in their place
        if self._pairs is None or [*map(id, buffers)] != [*map(id, self._buffers)]:
            present = {n: self._places.get(id(t), t) for n, t in self._averaged().items()}
            for name, tensor in present.items():
                self._averages.setdefault(name, tensor.detach().clone())
            self._pairs = [self._averages[name] for name in present], [*present.values()]
            self._buffers = buffers
        if self._count > 1:
            self._mix(*self._pairs, self._count)

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Lets the model have the averaged weights inside the block.

        What is done to them there stays in the average; the model's own come back unchanged.
        """
        self._lend()
        try:
            yield
        finally:
            self._take_back()

    @contextlib.contextmanager
    def taken_back(self) -> Iterator[None]:
        """Lets the model have its own weights inside the block, also within one of `lent`."""
        if self._own is None:
            yield
            return
        self._take_back()
        try:
            yield
        finally:
            self._lend()

    @torch.no_grad()
    def settle(self) -> None:
        """Gives the model the averaged weights; before the first step it keeps its own."""
        for name, tensor in self._averaged().items():
            if name in self._averages:
                tensor.copy_(self._averages[name])

    def state(self) -> dict[str, Any]:
        """Returns the average and of how many steps it is."""
        weights = {name: tensor.clone() for name, tensor in self._averages.items()}
        return {"count": self._count, "weights": weights}

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self._count, self._pairs = int(state["count"]), None
        tensors = self._averaged()
        self._averages = {
            name: torch.empty_like(tensors[name]).copy_(tensor)
            for name, tensor in state["weights"].items()
            if name in tensors
        }

    def _lend(self) -> None:
        self._own = {name: tensor.detach().clone() for name, tensor in self._tensors().items()}
        self.settle()

    @torch.no_grad()
    def _take_back(self) -> None:
        # All are read before the first is written: two tensors may share their memory.
        if self._count:
            self._averages |= {n: t.detach().clone() for n, t in self._averaged().items()}
        own, self._own, self._pairs = self._own or {}, None, None
        for name, tensor in self._tensors().items():
            if name in own:
                tensor.copy_(own[name])

    def _tensors(self) -> dict[str, Tensor]:
        """Returns the model's parameters and buffers by name, each once."""
        return {**dict(self._model.named_parameters()), **dict(self._model.named_buffers())}

    def _averaged(self) -> dict[str, Tensor]:
        """Returns those that have an average."""
        return {n: t for n, t in self._tensors().items() if t.is_floating_point() or t.is_complex()}
