"""One training step, literally as PyTorch's tutorials write it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from fmnistlab.data.batch import Batch, BatchSource
from fmnistlab.errors import ConfigurationError
from fmnistlab.shapes import Float, Shaped
from fmnistlab.training.execution import Executed
from fmnistlab.training.recipes.loss_weights import label_weights
from fmnistlab.training.recipes.recipe import LossFunction
from fmnistlab.training.recipes.step_options import StepOptions
from fmnistlab.training.steps.average import WeightAverage

PLAIN: Final = StepOptions()
"""Nothing besides."""


def do_nothing() -> None:
    """Default of a hook; does nothing."""


class StepResult(NamedTuple):
    """What a training step gave; on the device, detached, not changed by later steps.

    Attributes:
        loss: mean loss of the batch before the step.
        logits: class scores before the step.
        labels: int64 (batch,), or float32 (batch, classes) if they are one-hot.
    """

    loss: Float[Tensor, ""]
    logits: Float[Tensor, "batch classes"]
    labels: Shaped[Tensor, "batch ..."]


class TrainingStep:
    """One step of gradient descent, operation by operation as in a loop written by hand.

    `optimizer.zero_grad()`, forward, loss, `loss.backward()`, `optimizer.step()`,
    `schedule.step()`: nothing is looked up earlier and nothing is left out, so whatever changes
    the model, the optimizer or their hooks between two steps counts from the next step on. If the
    recipe asks for it, gradients are clipped before the optimizer's step, and weights averaged
    after the schedule's.

    An optimizer whose `step` must have a closure, as `torch.optim.LBFGS`, gets one that clears the
    gradients, computes the loss and goes backward. One that refuses to step without a closure only
    when it is called, as sharpness-aware optimizers do, gets the same closure after the gradients
    were computed once, as their own instructions say.

    Args:
        model: in training mode, on the device, in its final layout.
        optimizer: made from the model's parameters.
        loss: mean loss of a batch.
        schedule: moves the learning rate after each step, or None.
        options: what the step does besides.

    Attributes:
        average: the average of weights, or None if the recipe asks for none.
        eager_because: why the step is made as it is written; None if it is not.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: LossFunction,
        schedule: LRScheduler | None,
        options: StepOptions = PLAIN,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._loss = loss
        self._schedule = schedule
        self._options = options
        decay = options.ema_decay
        self.average: WeightAverage | None = WeightAverage(model, decay) if decay else None
        self.eager_because: str | None = "it was asked for"
        self._closure_alone = _closure_is_required(optimizer)
        self._update: Callable[[Callable[[], Tensor]], object] = self._first_update

    @property
    def schedule(self) -> LRScheduler | None:
        """What moves the learning rate after each step, or None."""
        return self._schedule

    @property
    def executed(self) -> Executed:
        """How steps are executed now."""
        return "eager"

    def __call__(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "batch classes"]]:
        """Makes the step.

        Args:
            batch: images and labels on the model's device.

        Returns:
            The mean loss before the step and the logits, detached, still on the device.

        Raises:
            ConfigurationError: the optimizer cannot make a step, neither with a closure nor
                without.
        """
        results: list[tuple[Tensor, Tensor]] = []

        def closure() -> Tensor:
            self._optimizer.zero_grad()
            results.append(self.forward_and_backward(*batch))
            self._clip()
            return results[-1][0]

        if self._closure_alone:
            self._optimizer.step(closure)  # type: ignore[arg-type] # torch's stub wants a float
        else:
            closure()
            self._update(closure)
        self._after_update()
        loss, logits = results[0]
        return loss.detach(), logits.detach()

    def forward_and_backward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Computes loss and logits, and adds to the gradients."""
        if self._options.accumulation_steps > 1:
            return self._in_parts(images, labels)
        loss, logits = self._forward(images, labels)
        self._require_gradient(loss)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        return loss, logits

    def _forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if self._options.precision == "float32":
            logits: Tensor = self._model(images)
            return self._loss(logits, labels), logits
        with torch.autocast(images.device.type, torch.bfloat16):
            logits = self._model(images)
            return self._loss(logits, labels), logits.float()

    def _require_gradient(self, loss: Tensor) -> None:
        if not loss.requires_grad:
            raise ConfigurationError(
                f"The loss of {type(self._model).__name__} depends on no parameter that requires a "
                "gradient, so nothing would learn: its parameters are frozen or left out, or its "
                "forward computes without gradients, as by .detach(), .data or torch.no_grad()."
            )

    def _in_parts(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Computes a batch part by part; each counts as much as its labels weigh in the mean."""
        count = min(self._options.accumulation_steps, len(images))
        parts = [*zip(images.tensor_split(count), labels.tensor_split(count), strict=True)]
        weights = label_weights(self._loss).of_batches(labels, [len(part) for part, _ in parts])
        total = float(weights.sum())
        losses, scores = [], []
        for part, weight in zip(parts, weights.tolist(), strict=True):
            loss, logits = self._forward(*part)
            # The mean of a part without any label that counts is 0 / 0, and so is the whole then.
            if weight or not total:
                self._require_gradient(loss)
                share = loss * (weight / total if total else 1.0)
                share.backward()  # type: ignore[no-untyped-call] # torch's own
                losses.append(share.detach())
            scores.append(logits.detach())
        return torch.stack(losses).sum(), torch.cat(scores)

    def _clip(self) -> None:
        """Clips the gradients, if the recipe asks for it."""
        value, norm = self._options.clip_value, self._options.clip_norm
        if value is None and norm is None:
            return
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        if value is not None:
            nn.utils.clip_grad_value_(parameters, value)
        if norm is not None:
            nn.utils.clip_grad_norm_(parameters, norm)

    def _after_update(self) -> None:
        """Moves the learning rate and averages the weights, if the recipe asks for it."""
        if self._schedule is not None:
            self._schedule.step()
        if self.average is not None:
            self.average.update()

    def _first_update(self, closure: Callable[[], Tensor]) -> None:
        """Makes the optimizer's first step, and so learns whether it must have a closure."""
        try:
            self._optimizer.step()
        except Exception as refusal:
            if "closure" not in inspect.signature(self._optimizer.step).parameters:
                raise
            try:
                self._optimizer.step(closure)  # type: ignore[arg-type] # gives a tensor, no float
            except Exception as error:  # noqa: BLE001 - both refusals are told
                if (type(error), str(error)) == (type(refusal), str(refusal)):
                    raise refusal from None  # it has nothing to do with closures, as in a hook
                name = type(self._optimizer).__name__
                raise ConfigurationError(
                    f"{name}.step() fails without a closure ({refusal}) and with one ({error})."
                ) from refusal
            self._update = self._optimizer.step  # type: ignore[assignment] # one closure
        else:
            self._update = lambda _: self._optimizer.step()

    def epoch(
        self,
        training: BatchSource,
        epoch: int,
        *,
        persistent: bool,
        start: int = 0,
        on_positioned: Callable[[], object] = do_nothing,
    ) -> Iterator[StepResult]:
        """Makes the steps of an epoch and yields the result of each.

        Args:
            training: on the model's device.
            epoch: number of the epoch, from 1.
            persistent: whether results are needed longer than the epoch.
            start: steps at the beginning that were made already, in an earlier process.
            on_positioned: called when their batches are skipped, before the next one is fetched.
        """
        batches = training.training_batches(epoch, start)
        on_positioned()
        for batch in batches:
            loss, logits = self(batch)
            yield StepResult(loss, logits, batch.labels)

    def sum_of_weights(self) -> float:
        """Returns the sum of all weights that learn, which is finite if each of them is."""
        groups = self._optimizer.param_groups
        with torch.no_grad():
            return float(sum(p.sum() for group in groups for p in group["params"]))

    def write_back(self) -> None:
        """Puts weights, gradients and optimizer state where torch has them.

        Steps that keep them elsewhere for speed override this; it is called before a callback, a
        checkpoint or a caller looks at them.
        """

    def refresh(self) -> None:
        """Takes up whatever a callback changed; called after callbacks had their turn."""
        if self.average is not None:
            self.average.follow({})

    def close(self) -> None:
        """Ends the work; model and optimizer are left as plain steps leave them."""


_EMPTY: Final = inspect.Parameter.empty


def _closure_is_required(optimizer: torch.optim.Optimizer) -> bool:
    """Returns whether `optimizer.step` cannot be called without a closure."""
    parameter = inspect.signature(optimizer.step).parameters.get("closure")
    return parameter is not None and parameter.default is _EMPTY
