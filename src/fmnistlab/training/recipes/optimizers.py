"""Optimizers by name: torch's own, fused where torch's fused kernels are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from fmnistlab.foundation.compiler import compiler_left_out
from fmnistlab.training.recipes.parameter_rules import Settings

OptimizerName: TypeAlias = Literal["adam", "adamw", "sgd"]
"""Optimizers that a recipe knows by name."""

OPTIMIZERS: Final[tuple[OptimizerName, ...]] = get_args(OptimizerName)

_FUSED: Final = ("cpu", "cuda", "mps", "xpu")


def named_optimizer(
    name: OptimizerName,
    parameters: Mapping[str, nn.Parameter],
    settings: Mapping[str, Settings],
    *,
    momentum: float,
    nesterov: bool,
) -> torch.optim.Optimizer:
    """Returns a new optimizer; parameters with the same settings are one group.

    Args:
        name: which.
        parameters: what it is to move, by name, at least one.
        settings: of each of them, by name.
        momentum: of "sgd".
        nesterov: whether that is Nesterov's.
    """
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for called, parameter in parameters.items():
        rate, decay, _ = settings[called]
        group = groups.setdefault((rate, decay), {"params": [], "lr": rate, "weight_decay": decay})
        group["params"].append(parameter)
    fused = all(map(_can_be_fused, parameters.values()))
    rate, decay = next(iter(groups))
    given = _parameters_or_groups([*groups.values()])
    with compiler_left_out(torch.optim.Optimizer.add_param_group):
        if name == "sgd":
            # Torch's fused kernel fails where some parameters have no momentum yet, as after
            # unfreezing a layer.
            return torch.optim.SGD(
                given,
                rate,
                momentum=momentum,
                nesterov=nesterov,
                weight_decay=decay,
                fused=fused and momentum == 0,
            )
        kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
        return kind(given, rate, weight_decay=decay, fused=fused)


def _parameters_or_groups(groups: Sequence[dict[str, Any]]) -> Any:
    """Returns what an optimizer is given: parameters, if all of them have the same settings."""
    return groups[0]["params"] if len(groups) == 1 else groups


def _can_be_fused(parameter: nn.Parameter) -> bool:
    """Returns whether torch's fused kernels are right for a parameter.

    They walk through memory, so one with gaps, such as a slice, would be moved wrongly by them
    (seen with torch 2.13).
    """
    known = parameter.dtype.is_floating_point and parameter.device.type in _FUSED
    return (
        known
        and not is_lazy(parameter)
        and parameter.stride() == torch.empty_like(parameter).stride()
    )
