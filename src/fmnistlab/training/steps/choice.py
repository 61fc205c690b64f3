"""Which step a fit takes: as the model is written, recorded, or as a CUDA graph."""

from __future__ import annotations

from typing import Final, TypeAlias

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.logger import get_logger
from fmnistlab.foundation.wording import setting
from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.recipe import LossFunction
from fmnistlab.training.recipes.step_options import StepOptions
from fmnistlab.training.steps.eager import TrainingStep

RECORDING_PAYS: Final = 200
"""Steps of an epoch from which on recording one is repaid; see docs/benchmarks.md. It does not
depend on the number of epochs, so that two fits of two epochs have the bits of one of four."""

_Parts: TypeAlias = tuple[
    nn.Module, torch.optim.Optimizer, LossFunction, LRScheduler | None, StepOptions
]

_logger = get_logger(__name__)


def make_step(
    execution: Execution,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: LossFunction,
    schedule: LRScheduler | None,
    *,
    options: StepOptions,
    steps: int | None = None,
    watched_by: str | None = None,
) -> TrainingStep:
    """Returns what makes the training steps of a fit.

    Args:
        execution: one of `EXECUTIONS`.
        model: in training mode, on its device, in its final layout.
        optimizer: made from the model's parameters.
        loss: mean loss of a batch.
        schedule: moves the learning rate after each step, or None.
        options: what a step does besides.
        steps: of an epoch; None if unknown, which counts as many.
        watched_by: name of a callback that may look at the model after each step, or None.

    Raises:
        ConfigurationError: steps cannot be executed as it was asked for by name.
    """
    parts = model, optimizer, loss, schedule, options
    if execution == "eager":
        return TrainingStep(*parts)
    devices = {p.device.type for group in optimizer.param_groups for p in group["params"]}
    required = "cuda" if execution == "cuda_graph" else "cpu"
    reason = None if devices == {required} else f"the model is not on {required}"
    reason = reason or options.computes_as_written
    if execution == "cuda_graph":
        reason = reason or options.unusual()
    if watched_by is not None:
        reason = f"{watched_by} may look at the model after each step"
    if execution == "auto" and steps is not None and steps < RECORDING_PAYS:
        reason = f"an epoch has {steps} steps, and recording pays from {RECORDING_PAYS} on"
    if reason is None:
        try:
            return _fast_step(execution, parts)
        except ConfigurationError:
            raise
        except Exception as error:
            if execution != "auto":
                raise
            _logger.warning("steps cannot be recorded with this torch: %r", error)
            reason = "steps cannot be recorded with this torch"
    if execution != "auto":
        raise ConfigurationError(f"{setting('execution', execution)} is not possible: {reason}.")
    _logger.info("steps are made as they are written: %s", reason)
    step = TrainingStep(*parts)
    step.eager_because = reason
    return step


def _fast_step(execution: Execution, parts: _Parts) -> TrainingStep:
    # Imported late, because what they need of torch is not promised to be there.
    if execution == "cuda_graph":
        from fmnistlab.training.steps.cuda.graph_step import CudaGraphStep

        return CudaGraphStep(*parts[:4])
    from fmnistlab.training.steps.recorded.step import RecordedStep

    return RecordedStep(*parts, required=execution == "recorded")
