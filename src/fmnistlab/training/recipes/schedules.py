"""Ways to move the learning rate during a fit, by name: torch's own schedulers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
)

from fmnistlab.errors import ConfigurationError

ScheduleName: TypeAlias = Literal["constant", "cosine", "linear", "step", "one_cycle", "plateau"]
"""Ways to move the learning rate: "plateau" after an epoch, the others after each step."""

SCHEDULES: Final[tuple[ScheduleName, ...]] = get_args(ScheduleName)

WARMED_UP: Final = ("constant", "cosine", "linear", "step")
"""Schedules that may begin with a warm-up; "one_cycle" has its own."""


def step_schedule(
    name: ScheduleName,
    optimizer: torch.optim.Optimizer,
    *,
    total_steps: int | None,
    epochs: int,
    warmup_epochs: float,
    milestones: tuple[int, ...],
    gamma: float,
) -> LRScheduler | None:
    """Returns what moves the learning rate after each step, or None if nothing does.

    Args:
        name: which; with "plateau" nothing moves it after a step.
        optimizer: whose learning rates are moved; each group has its own.
        total_steps: steps of the whole fit; None if unknown.
        epochs: of the whole fit.
        warmup_epochs: epochs, or a part of one, in which the rate rises to its height.
        milestones: epochs of this fit after which "step" lowers the rate.
        gamma: by which "step" multiplies it.

    Raises:
        ConfigurationError: the schedule needs to know the number of steps, or the fit is over
            before the warm-up.
    """
    if name == "plateau" or (name == "constant" and warmup_epochs == 0):
        return None
    if total_steps is None:
        raise ConfigurationError(
            f"The schedule {name!r}{' with a warm-up' if warmup_epochs else ''} needs the number "
            'of batches, and the training loader has no length. Use schedule="constant" or a '
            "loader with a length."
        )
    if warmup_epochs >= epochs:
        raise ConfigurationError(
            f"warmup_epochs is {warmup_epochs:g}, but the fit has {epochs} epochs; warm up for "
            "fewer."
        )
    rates = [own_rate(group) for group in optimizer.param_groups]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):  # a captured step may hold on to it
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    if name == "one_cycle":
        return OneCycleLR(optimizer, rates, total_steps=total_steps, cycle_momentum=False)
    if name == "cosine" and warmup_epochs == 0:
        return CosineAnnealingLR(optimizer, T_max=total_steps)
    warm = min(round(warmup_epochs * total_steps / epochs), total_steps - 1)
    if name == "step":
        lowered = [milestone * total_steps // epochs for milestone in milestones]
        return LambdaLR(optimizer, _stairs(lowered, gamma, warm))
    return LambdaLR(optimizer, _curve(_CURVES[name], warm, total_steps))


def plateau_schedule(
    optimizer: torch.optim.Optimizer, *, metric: str, gamma: float, patience: int
) -> ReduceLROnPlateau:
    """Returns what lowers the learning rates when a metric has not improved for some epochs.

    Args:
        optimizer: whose.
        metric: which; accuracies are best when large, losses when small.
        gamma: by which the rates are multiplied.
        patience: epochs without improvement, by a ten-thousandth of the best value, that are
            allowed.
    """
    mode: Literal["min", "max"] = "max" if metric.endswith("accuracy") else "min"
    return ReduceLROnPlateau(optimizer, mode, factor=gamma, patience=patience)


def own_rate(group: Mapping[str, Any]) -> float:
    """Returns the learning rate that a group of an optimizer was given.

    A schedule of an earlier fit has noted it there, and may have left the present rate low.
    """
    return float(group.get("max_lr", group.get("initial_lr", group["lr"])))


_CURVES: Final[dict[str, Callable[[float], float]]] = {
    "constant": lambda _: 1.0,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "linear": lambda done: 1 - done,
}
"""Factor of the rate by how much of the fit after the warm-up is done, 0 to 1."""


def _curve(curve: Callable[[float], float], warm: int, total: int) -> Callable[[int], float]:
    """Returns the factor of the rate by the number of the step, from 0, along a curve."""
    return lambda step: (
        (step + 1) / (warm + 1) if step < warm else curve(min((step - warm) / (total - warm), 1.0))
    )


def _stairs(lowered: Sequence[int], gamma: float, warm: int) -> Callable[[int], float]:
    """Returns the same for a rate that is lowered from some steps on."""
    return lambda step: (
        (step + 1) / (warm + 1) if step < warm else gamma ** sum(step >= at for at in lowered)
    )
