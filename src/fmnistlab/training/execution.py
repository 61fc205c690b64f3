"""How training steps are executed: as a graph, as written, or compiled."""

from __future__ import annotations

from typing import Final, cast

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.training.cuda_graph_step import CudaGraphStep
from fmnistlab.training.graph_step import GraphStep
from fmnistlab.training.recipe import LossFunction
from fmnistlab.training.step import TrainingStep

EXECUTIONS: Final = ("graph", "eager", "compile")
"""Ways to make a training step.

"graph": recorded once and replayed, where that is sure to be the same; else as "eager".
"eager": as the model is written, operation by operation.
"compile": the model compiled by `torch.compile`, which needs a C++ compiler and takes its time.
"""


def checked_execution(execution: str) -> str:
    """Returns `execution` if it is one of `EXECUTIONS`.

    Raises:
        ConfigurationError: it is not.
    """
    if execution not in EXECUTIONS:
        raise ConfigurationError(
            f"execution is {execution!r}; use one of {', '.join(EXECUTIONS)}."
            f"{suggestion(execution, EXECUTIONS)}"
        )
    return execution


def make_step(
    execution: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: LossFunction,
    schedule: LRScheduler | None,
) -> TrainingStep:
    """Returns what makes the training steps of a fit.

    Args:
        execution: one of `EXECUTIONS`.
        model: in training mode, on its device, in its final layout.
        optimizer: made from the model's parameters as they are now.
        loss: mean loss of a batch.
        schedule: moves the learning rate after each step, or None.
    """
    if execution == "graph":
        devices = {p.device.type for group in optimizer.param_groups for p in group["params"]}
        if devices == {"cpu"}:
            return GraphStep(model, optimizer, loss, schedule)
        if devices == {"cuda"}:
            return CudaGraphStep(model, optimizer, loss, schedule)
    if execution == "compile":
        model = cast("nn.Module", torch.compile(model))
    return TrainingStep(model, optimizer, loss, schedule)
