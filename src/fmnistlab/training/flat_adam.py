"""Adam over one long vector instead of over each parameter.

Torch's fused Adam takes a list of tensors and starts its threads anew for each of them. If
parameters, gradients and averages lie one behind the other, one call does for all. The arithmetic
is the same, element by element, and so are the bits.

The weights of linear layers are laid out by columns meanwhile, as their products like it best: at
batches of 32 that saves LinearNet a tenth of a step (measured with torch 2.13 and its MKL).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from fmnistlab.training.optimizer_step import fused_kernel

UNIT = 16
"""Elements that torch's kernel takes in one go. What is left over at the end it rounds otherwise
(measured with torch 2.13), so parameters of another length stay by themselves."""

_AVERAGES = ("exp_avg", "exp_avg_sq")


class FlatAdam:
    """Moves parameters and optimizer state into long vectors and makes steps there.

    The optimizer keeps owning all of it: its state tensors become parts of the vectors. Gradients
    are expected in `gradients`, which are the parameters' `grad` too.

    Args:
        optimizer: one without an obstacle; see `optimizer_step.obstacle`.
        by_columns: the parameters, matrices all of them, to be laid out by columns.

    Attributes:
        gradients: where the gradient of each parameter is to be written.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, by_columns: Iterable[torch.nn.Parameter] = ()
    ) -> None:
        self._optimizer = optimizer
        self._by_columns = {*by_columns}
        self._strides: dict[torch.nn.Parameter, tuple[int, ...]] = {}
        self._kernel = fused_kernel(optimizer)
        self.gradients: list[tuple[torch.nn.Parameter, Tensor]] = []
        # A schedule warns if the optimizer's own step is never called.
        optimizer._opt_called = True  # type: ignore[attr-defined]  # noqa: SLF001
        self._groups = [self._flatten(group) for group in optimizer.param_groups]

    def step(self) -> None:
        """Makes one step; settings are read from the optimizer's groups each time."""
        for settings, steps, vectors in self._groups:
            steps.add_(1)
            self._kernel(
                *vectors,
                lr=settings["lr"],
                beta1=settings["betas"][0],
                beta2=settings["betas"][1],
                weight_decay=settings["weight_decay"],
                eps=settings["eps"],
                amsgrad=False,
                maximize=settings["maximize"],
            )

    def sum_of_weights(self) -> float:
        """Returns the sum of all parameters."""
        vectors = [vector for _, _, lists in self._groups for vector in lists[0]]
        return float(sum(vector.sum() for vector in vectors))

    def release(self) -> None:
        """Gives every parameter, gradient and state tensor memory of its own again, as it was."""
        for parameter, stride in self._strides.items():
            parameter.data = _copy(parameter.data, stride)
            if parameter.grad is not None:
                parameter.grad = _copy(parameter.grad, stride)
            state = self._optimizer.state[parameter]
            state["step"] = state["step"].clone()
            state.update({name: _copy(state[name], stride) for name in _AVERAGES})

    def _flatten(
        self, group: dict[str, Any]
    ) -> tuple[dict[str, Any], Tensor, tuple[list[Tensor], ...]]:
        """Returns the group's settings, its step counters and the lists that the kernel takes."""
        parameters: list[torch.nn.Parameter] = group["params"]
        for parameter in parameters:  # in the order in which Adam itself would begin
            self._state(parameter)
        together = [p for p in parameters if p.numel() % UNIT == 0]
        order = [*together, *(p for p in parameters if p.numel() % UNIT)]
        states = [self._state(parameter) for parameter in order]
        steps = torch.stack([state["step"] for state in states])
        for state, step in zip(states, steps.unbind(), strict=True):
            state["step"] = step
        self._strides |= {parameter: parameter.stride() for parameter in order}
        strides = [(1, len(p)) if p in self._by_columns else p.stride() for p in order]
        moved: list[list[Tensor]] = []
        lists: list[list[Tensor]] = []
        for tensors in (
            [parameter.data for parameter in order],
            [torch.zeros_like(parameter) for parameter in order],
            *([state[name] for state in states] for name in _AVERAGES),
        ):
            vector = torch.empty(sum(parameter.numel() for parameter in together))
            parts = _parts(vector, tensors[: len(together)], strides)
            alone = [_copy(t, s) for t, s in zip(tensors, strides, strict=True)][len(together) :]
            moved.append([*parts, *alone])
            lists.append([*([vector] if together else []), *alone])
        for parameter, state, data, gradient, *averages in zip(order, states, *moved, strict=True):
            parameter.data, parameter.grad = data, gradient
            state.update(zip(_AVERAGES, averages, strict=True))
            self.gradients.append((parameter, gradient))
        counters = [*steps[: len(together)][:1], *steps[len(together) :]]
        return group, steps, (*lists, [], counters)

    def _state(self, parameter: torch.nn.Parameter) -> dict[str, Any]:
        """Returns the optimizer's state for a parameter, as Adam itself would begin it."""
        state: dict[str, Any] = self._optimizer.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            for name in _AVERAGES:
                state[name] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return state


def can_be_flat(optimizer: torch.optim.Optimizer) -> bool:
    """Returns whether all parameters are dense, on the CPU, float32 and have made as many steps.

    Each must have memory of its own: parameters that share it are one thing, not two.
    """
    places = [p.data_ptr() for group in optimizer.param_groups for p in group["params"]]
    if len({*places}) < len(places):
        return False
    for group in optimizer.param_groups:
        counted = {
            float(optimizer.state[p]["step"]) if optimizer.state.get(p) else 0.0
            for p in group["params"]
        }
        dense = all(
            p.device.type == "cpu"
            and p.dtype == torch.float32
            and p.untyped_storage().nbytes() == p.nbytes
            for p in group["params"]
        )
        if len(counted) > 1 or not dense:
            return False
    return True


def _parts(
    vector: Tensor, tensors: Sequence[Tensor], strides: Sequence[tuple[int, ...]]
) -> list[Tensor]:
    """Writes tensors one behind the other into a vector and returns its parts in their shapes."""
    parts: list[Tensor] = []
    start = 0
    for tensor, stride in zip(tensors, strides, strict=False):
        parts.append(vector.as_strided(tensor.shape, stride, start).copy_(tensor))
        start += tensor.numel()
    return parts


def _copy(tensor: Tensor, stride: tuple[int, ...]) -> Tensor:
    return torch.empty_strided(tensor.shape, stride).copy_(tensor)
