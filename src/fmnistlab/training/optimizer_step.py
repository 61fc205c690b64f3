"""The optimizer's step without its bookkeeping, where that gives the same bits.

`Optimizer.step` collects its tensors anew, enters a profiler range and asks for hooks in every
step. On a model of 200,000 parameters that costs about as much as the arithmetic. Once the state
tensors exist, they never change, so one call of torch's fused kernel on lists made once is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from fmnistlab.logger import get_logger

_logger = get_logger(__name__)


def optimizer_step(optimizer: torch.optim.Optimizer) -> Callable[[], object]:
    """Returns a function that makes the same step as `optimizer.step()`, as fast as it can.

    The fast form needs a fused `torch.optim.Adam` or `AdamW` without hooks. Everything else, and
    every step in which some parameter has no gradient, goes through `optimizer.step()` itself.
    Learning rate and all other settings are read from `param_groups` in each step, so schedules
    work; the state stays in `optimizer.state`, so saving works.
    """
    reason = obstacle(optimizer)
    if reason is not None:
        _logger.debug("plain optimizer step: %s", reason)
        return optimizer.step
    return _FusedAdamStep(optimizer)


def obstacle(optimizer: torch.optim.Optimizer) -> str | None:
    """Returns why the fast form cannot stand in for this optimizer, or None if it can."""
    if type(optimizer) not in (torch.optim.Adam, torch.optim.AdamW):
        return f"{type(optimizer).__name__} is not torch's Adam or AdamW"
    if not hasattr(torch, "_fused_adam_"):
        return "this torch has no fused Adam kernel"
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:  # noqa: SLF001
        return "the optimizer has step hooks"
    for group in optimizer.param_groups:
        if not group["fused"] or group["amsgrad"] or isinstance(group["lr"], torch.Tensor):
            return "a parameter group is not fused, uses AMSGrad or has a tensor learning rate"
        if len({(p.device, p.dtype) for p in group["params"]}) > 1:
            return "a parameter group spans devices or dtypes"
    return None


def fused_kernel(optimizer: torch.optim.Optimizer) -> Callable[..., object]:
    """Returns torch's kernel for an optimizer without an obstacle."""
    # Underscored in torch: `obstacle` looks whether they are there, a test compares bits.
    kernels = torch._fused_adam_, torch._fused_adamw_  # pyright: ignore[reportPrivateImportUsage]
    return kernels[type(optimizer) is torch.optim.AdamW]


class _FusedAdamStep:
    """Calls torch's fused kernel on lists of tensors that are collected once."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._kernel = fused_kernel(optimizer)
        self._groups: list[_Group] = []

    @torch.no_grad()
    def __call__(self) -> None:
        gradients = [[p.grad for p in group.parameters] for group in self._groups]
        if not self._usable(gradients):
            self._optimizer.step()
            self._groups = self._collect()
            return
        for group, of_group in zip(self._groups, gradients, strict=True):
            settings = group.settings
            torch._foreach_add_(group.steps, 1)  # pyright: ignore[reportPrivateImportUsage]
            self._kernel(
                group.parameters,
                of_group,
                group.averages,
                group.squares,
                [],
                group.steps,
                lr=settings["lr"],
                beta1=settings["betas"][0],
                beta2=settings["betas"][1],
                weight_decay=settings["weight_decay"],
                eps=settings["eps"],
                amsgrad=False,
                maximize=settings["maximize"],
            )

    def _usable(self, gradients: list[list[torch.Tensor | None]]) -> bool:
        """True if every gradient is there and the lists still are the optimizer's own state."""
        return bool(self._groups) and all(
            self._optimizer.state[group.parameters[0]]["exp_avg"] is group.averages[0]
            and not any(gradient is None for gradient in of_group)
            for group, of_group in zip(self._groups, gradients, strict=True)
        )

    def _collect(self) -> list[_Group]:
        """Returns the groups with their state, or [] if some parameter has no state yet."""
        groups = []
        for settings in self._optimizer.param_groups:
            states = [self._optimizer.state.get(p, {}) for p in settings["params"]]
            if not states or not all(states):
                return []
            groups.append(
                _Group(
                    settings,
                    settings["params"],
                    averages=[state["exp_avg"] for state in states],
                    squares=[state["exp_avg_sq"] for state in states],
                    steps=[state["step"] for state in states],
                )
            )
        return groups


class _Group(NamedTuple):
    """One parameter group and its state tensors, in the order the kernel takes them."""

    settings: dict[str, Any]
    parameters: list[torch.Tensor]
    averages: list[torch.Tensor]
    squares: list[torch.Tensor]
    steps: list[torch.Tensor]
