"""Weights, gradients and optimizer state side by side, in memory of their own.

Torch's fused kernels take a list of tensors and start their threads anew for each of them. If all
parameters lie one behind the other, one call does for all. The weights of linear layers lie by
columns here, as their products like it best. None of that can be seen from outside: `store` copies
everything to where torch has it, in torch's layout, before other code looks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn

from fmnistlab.training.steps.recorded.internals import fused_updates, mark_step_made

_UNIT: Final = 16
"""Elements between the beginnings of two parameters: 64 bytes, a line of the processor's cache."""

COLUMNS: Final = True
"""Whether weights of linear layers lie by columns: LinearNet's step then takes 3 to 11 % less."""


class WorkingWeights:
    """A copy of all parameters that learn, with their gradients and the optimizer's state.

    Args:
        model: whose parameters learn.
        optimizer: one that `contract.objection` has none against.

    Attributes:
        parameters: the parameters that learn.
        gradients: where the gradient of each of them is to be written.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._update = fused_updates()[type(optimizer)]
        self.parameters: list[nn.Parameter] = [
            p for p in self._settings["params"] if p.requires_grad
        ]
        linear = {id(m.weight) for m in model.modules() if type(m) is nn.Linear}
        strides = [
            (1, len(p)) if COLUMNS and id(p) in linear else p.stride() for p in self.parameters
        ]
        lengths = [-(-p.numel() // _UNIT) * _UNIT for p in self.parameters]
        starts = [sum(lengths[:number]) for number in range(len(lengths))]

        # Programs and the optimizer's kernel hold these vectors and their views, so they are filled
        # and never replaced while a program lives.
        def vector() -> tuple[Tensor, list[Tensor]]:
            whole = torch.zeros(sum(lengths), dtype=torch.float32)
            places = zip(self.parameters, strides, starts, strict=True)
            return whole, [whole.as_strided(p.shape, stride, at) for p, stride, at in places]

        self._steps = torch.zeros((), dtype=torch.float32)
        self._all_weights, self._weights = vector()
        self.gradients: list[Tensor]
        self._all_gradients, self.gradients = vector()
        averages = [vector() for _ in self._update.averages]
        self._all_averages = [whole for whole, _ in averages]
        self._averages = [parts for _, parts in averages]
        self.load()

    @property
    def _settings(self) -> dict[str, Any]:
        """The optimizer's group; looked up each time, because loading a state makes a new one."""
        return self._optimizer.param_groups[0]

    @torch.no_grad()
    def load(self) -> None:
        """Copies weights and state from where torch has them."""
        self._changed = False
        for number, parameter in enumerate(self.parameters):
            self._weights[number].copy_(parameter)
            state = self._optimizer.state.get(parameter, {})
            self._steps.fill_(float(state.get("step", 0)))
            for name, parts in zip(self._update.averages, self._averages, strict=True):
                if state.get(name) is None:
                    parts[number].zero_()
                else:
                    parts[number].copy_(state[name])

    @torch.no_grad()
    def store(self) -> None:
        """Copies weights, gradients and state to where torch has them, if steps were made."""
        if not self._changed:
            return
        self._changed = False
        for parameter in self._settings["params"]:
            parameter.grad = None
        for number, parameter in enumerate(self.parameters):
            parameter.copy_(self._weights[number])
            parameter.grad = torch.empty_like(parameter).copy_(self.gradients[number])
            self._store_state(number, parameter)

    def _store_state(self, number: int, parameter: nn.Parameter) -> None:
        if self._settings.get("momentum") == 0:
            return
        state = self._optimizer.state[parameter]
        if "momentum" not in self._settings:
            state.setdefault("step", torch.zeros_like(self._steps)).copy_(self._steps)
        for name, parts in zip(self._update.averages, self._averages, strict=True):
            if state.get(name) is None:
                state[name] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            state[name].copy_(parts[number])

    @property
    def places(self) -> dict[int, Tensor]:
        """Where the weights are, by the identity of their parameter."""
        return {id(p): part for p, part in zip(self.parameters, self._weights, strict=True)}

    def clip(self, value: float | None, norm: float | None) -> None:
        """Clips the gradients as torch does; see `TrainingStep`.

        Args:
            value: largest size of each number, or None.
            norm: largest norm of all together, or None.
        """
        with torch.no_grad():
            if value is not None:
                self._all_gradients.clamp_(-value, value)
            if norm is not None:
                # What lies between two parameters is 0. The small number is torch's.
                found = torch.linalg.vector_norm(self._all_gradients)
                self._all_gradients.mul_((norm / (found + 1e-6)).clamp_(max=1.0))

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Lets the model compute with these weights inside the block."""
        own = [(parameter, parameter.data, parameter.grad) for parameter in self.parameters]
        try:
            for parameter, part in zip(self.parameters, self._weights, strict=True):
                parameter.data, parameter.grad = part, None
            yield
        finally:
            for parameter, data, gradient in own:
                parameter.data, parameter.grad = data, gradient

    def step(self) -> None:
        """Makes the optimizer's step; settings are read from its group each time."""
        with torch.no_grad():
            self._update.run(
                *(self._all_weights, self._all_gradients, self._all_averages),
                *(self._steps, self._settings),
            )
        if not self._changed:
            self._changed = True
            mark_step_made(self._optimizer)

    def sum(self) -> float | None:
        """Returns the sum of all weights, or None if torch has them as they are now."""
        return float(self._all_weights.sum()) if self._changed else None
