"""How training steps are executed: as the model is written, recorded, or as a CUDA graph."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from fmnistlab.checks import shown
from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.logger import get_logger
from fmnistlab.training.recipe import LossFunction
from fmnistlab.training.step import TrainingStep

Execution: TypeAlias = Literal["auto", "eager", "recorded", "cuda_graph"]
"""How training steps are executed.

"auto": recorded on the CPU if the model, the optimizer and the callbacks allow it and an epoch is
long enough to repay it, else as "eager".
"eager": as the model is written, operation by operation.
"recorded": recorded once and replayed; an error if that is not possible.
"cuda_graph": captured as a CUDA graph and replayed; an error if that is not possible. Not measured.
"""

EXECUTIONS: Final[tuple[Execution, ...]] = get_args(Execution)
"""All of `Execution`."""

RECORDING_PAYS: Final = 200
"""Steps of an epoch from which on recording one is repaid; see docs/benchmarks.md. It does not
depend on the number of epochs, so that two fits of two epochs have the bits of one of four."""

_Parts: TypeAlias = tuple[nn.Module, torch.optim.Optimizer, LossFunction, LRScheduler | None]

_logger = get_logger(__name__)


def checked_execution(execution: str) -> Execution:
    """Returns `execution` if it is one of `EXECUTIONS`.

    Raises:
        ConfigurationError: it is not.
    """
    for known in EXECUTIONS:
        if known == execution:
            return known
    near = suggestion(execution, EXECUTIONS) if isinstance(execution, str) else ""
    raise ConfigurationError(
        f"execution is {shown(execution)}; use one of {', '.join(EXECUTIONS)}.{near}"
    )


def make_step(
    execution: Execution,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: LossFunction,
    schedule: LRScheduler | None,
    *,
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
        steps: of an epoch; None if unknown, which counts as many.
        watched_by: name of a callback that may look at the model after each step, or None.

    Raises:
        ConfigurationError: steps cannot be executed as it was asked for by name.
    """
    parts = model, optimizer, loss, schedule
    if execution == "eager":
        return TrainingStep(*parts)
    devices = {p.device.type for group in optimizer.param_groups for p in group["params"]}
    required = "cuda" if execution == "cuda_graph" else "cpu"
    reason = None if devices == {required} else f"the model is not on {required}"
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
        raise ConfigurationError(f'execution="{execution}" is not possible: {reason}.')
    _logger.info("steps are made as they are written: %s", reason)
    step = TrainingStep(*parts)
    step.eager_because = reason
    return step


def _fast_step(execution: Execution, parts: _Parts) -> TrainingStep:
    # Imported late, because what they need of torch is not promised to be there.
    if execution == "cuda_graph":
        from fmnistlab.training.cuda_graph_step import CudaGraphStep

        return CudaGraphStep(*parts)
    from fmnistlab.training.recorded.step import RecordedStep

    return RecordedStep(*parts, required=execution == "recorded")
