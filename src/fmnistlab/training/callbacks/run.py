"""What a callback gets to see: before a fit, during it, and after each batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Float, Shaped
from fmnistlab.training.checkpoints.file import Checkpoint
from fmnistlab.training.extra_metrics.chosen import ExtraMetrics
from fmnistlab.training.extra_metrics.mode import Mode
from fmnistlab.training.extra_metrics.named import known_mode
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.history import (
    TRAINING_METRICS,
    VALIDATION_METRICS,
    History,
)
from fmnistlab.training.records.meter import Meter
from fmnistlab.training.records.metrics import Metrics


class Setup:
    """What is known before anything is built; `on_setup` gets it.

    Args:
        model: the model, wherever it lies now.
        recipe: how it will be trained.
        seed: the trainer's seed.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, seed: int) -> None:
        self.model = model
        self.recipe = recipe
        self.seed = seed
        self._device: torch.device | None = None

    @property
    def device(self) -> torch.device:
        """The device that was chosen.

        Raises:
            ConfigurationError: none was chosen yet.
        """
        if self._device is None:
            raise ConfigurationError("No device was chosen yet; DevicePlacement does that first.")
        return self._device

    def place_on(self, device: torch.device) -> None:
        """Chooses the device, once and for all; only the trainer moves tensors to it.

        Raises:
            ConfigurationError: a device was chosen already.
        """
        if self._device is not None:
            raise ConfigurationError(
                f"The device is already {self._device}; choose it with Trainer(device=...)."
            )
        self._device = device


@dataclasses.dataclass(kw_only=True)
class RunState:
    """The trainer's own notes about a fit; callbacks see them through `Run`."""

    model: nn.Module
    recipe: Recipe
    seed: int
    history: History
    last_epoch: int
    validates: bool
    extra: ExtraMetrics = dataclasses.field(default_factory=ExtraMetrics)
    device: torch.device | None = None
    optimizer: torch.optim.Optimizer | None = None
    steps_per_epoch: int | None = None
    epoch: int = 0
    step: int = 0
    stop_reason: str | None = None
    first_epoch: int = 1
    batch: int = 0
    meter: Meter = dataclasses.field(default_factory=Meter)
    receivers: list[Callable[[Checkpoint], object]] = dataclasses.field(default_factory=list)
    captured: Checkpoint | None = None


class Run:
    """A running fit, for callbacks: read anything, change nothing but `stop`."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    @property
    def model(self) -> nn.Module:
        """The model that is trained."""
        return self._state.model

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return self._state.recipe

    @property
    def seed(self) -> int:
        """The trainer's seed."""
        return self._state.seed

    @property
    def history(self) -> History:
        """All finished epochs; in `on_epoch_end` the present one is already in it."""
        return self._state.history

    @property
    def device(self) -> torch.device:
        """Where model and batches are.

        Raises:
            ConfigurationError: it is not there before on_fit_start.
        """
        return _built(self._state.device, "device")

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer.

        Raises:
            ConfigurationError: it is not there before on_fit_start.
        """
        return _built(self._state.optimizer, "optimizer")

    @property
    def epoch(self) -> int:
        """Number of the present epoch, from 1; 0 before the first."""
        return self._state.epoch

    @property
    def last_epoch(self) -> int:
        """Number of the epoch after which the fit ends unless it is stopped."""
        return self._state.last_epoch

    @property
    def step(self) -> int:
        """Training steps made so far, over all epochs and fits of this trainer."""
        return self._state.step

    @property
    def batch(self) -> int:
        """Training steps made so far in the present epoch; 0 between two epochs."""
        return self._state.batch

    @property
    def steps_per_epoch(self) -> int | None:
        """Training steps in an epoch, or None if only a full pass can tell."""
        return self._state.steps_per_epoch

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metrics that the epoch records of this fit will have."""
        if not self._state.validates:
            return TRAINING_METRICS
        extra = (f"val_{name}" for name in self._state.extra.names)
        return (*TRAINING_METRICS, *VALIDATION_METRICS, *extra)

    def metric_mode(self, metric: str) -> Mode | None:
        """Returns whether a metric of this fit is best when small, "min", or large, "max".

        Args:
            metric: one of `metric_names`.

        Returns:
            None if neither its name nor the metric itself tells.
        """
        return known_mode(metric) or self._state.extra.mode(metric.removeprefix("val_"))

    @property
    def stop_reason(self) -> str | None:
        """Why the fit stops after this epoch, or None if it goes on."""
        return self._state.stop_reason

    def stop(self, reason: str) -> None:
        """Asks the fit to end after the present epoch; the first reason is kept.

        To end in the middle of an epoch, raise an error.
        """
        if self._state.stop_reason is None:
            self._state.stop_reason = reason

    def capture(self, receive: Callable[[Checkpoint], object]) -> None:
        """Asks for a copy of all that it takes to go on from here; see `Checkpointing`.

        It is made when all callbacks have heard of the present step or epoch, so that it holds
        what they have learned from it, whatever their order.

        Args:
            receive: is called with the copy, between two steps.
        """
        self._state.receivers.append(receive)

    @property
    def captured(self) -> Checkpoint | None:
        """After Ctrl-C, SIGTERM or SIGHUP: the state in which the fit was interrupted, else None.

        Whatever callbacks, such as `BestWeights`, have done to the model since is not in it.
        """
        return self._state.captured

    def running_metrics(self) -> Metrics:
        """Returns loss and accuracy over the present epoch so far; reads from the device."""
        return self._state.meter.metrics()


_Built = TypeVar("_Built")


def _built(part: _Built | None, name: str) -> _Built:
    if part is None:
        raise ConfigurationError(f"There is no {name} before on_fit_start.")
    return part


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchResult:
    """One training step that was made.

    Attributes:
        epoch: number of the epoch, from 1.
        batch: number of the batch in its epoch, from 1.
        step: number of the step over all epochs, from 1.
        loss: mean loss of the batch before the step, 0-dim float32 on the device; reading it
            with `.item()` waits for the device.
        logits: the model's output, (batch, classes), detached, on the device.
        labels: int64 (batch,), or float32 (batch, classes) if one-hot, on the device.
    """

    epoch: int
    batch: int
    step: int
    loss: Float[Tensor, ""]
    logits: Float[Tensor, "batch classes"]
    labels: Shaped[Tensor, "batch ..."]
