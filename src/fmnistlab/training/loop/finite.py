"""Notices losses and weights that are not finite, as soon as that is cheap."""

from __future__ import annotations

import math

import torch
from torch import nn

from fmnistlab.errors import NonFiniteError
from fmnistlab.foundation.wording import setting
from fmnistlab.training.recipes.loss_weights import LabelWeights
from fmnistlab.training.steps.eager import StepResult, TrainingStep

STEPS_BETWEEN_LOSSES = 100
"""Training steps between two looks at the loss on an accelerator, where each waits for the device;
on the CPU it is looked at after every step."""

STEPS_BETWEEN_WEIGHTS = 8
"""Training steps between two looks at the weights on the CPU. A look after each step would cost
LinearNet 7 % of its time, because the weights fill the processor's cache (measured, n = 7)."""


class FiniteCheck:
    """Looks at losses and weights during a fit.

    A gradient that is not finite makes its weights so in the same step, with every optimizer of
    torch, and those the next loss. So gradients are told of by the loss of the next step or, if a
    model hides them from that, by the weights a few steps later.

    Args:
        model: that is trained.
        optimizer: whose learning rate is told.
        device: where the model is.
        weights: by which the loss takes its mean; see `label_weights`.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        weights: LabelWeights,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._label_weights = weights
        on_cpu = device.type == "cpu"
        self._between_losses = 1 if on_cpu else STEPS_BETWEEN_LOSSES
        self._between_weights = STEPS_BETWEEN_WEIGHTS if on_cpu else STEPS_BETWEEN_LOSSES

    def after_step(self, step: TrainingStep, result: StepResult, epoch: int, number: int) -> None:
        """Checks loss and weights when a check is due.

        Args:
            step: what made the step.
            result: of the step.
            epoch: number of the epoch, from 1.
            number: number of the step over all epochs, from 1.

        Raises:
            NonFiniteError: the loss, a gradient or a weight is not finite.
        """
        if number % self._between_losses == 0 and not math.isfinite(result.loss):
            labels = result.labels
            if not self._label_weights.of_batches(labels, [len(labels)]).any():
                raise NonFiniteError(
                    f"Epoch {epoch}, step {number}: no label in this batch counts, because the "
                    "loss ignores it or its class weighs 0, so the mean loss is that of nothing. "
                    f"Use a larger {setting('batch_size')}, or leave such images out."
                )
            raise self._error(f"the training loss is {float(result.loss)}", epoch, number)
        if number % self._between_weights == 0:
            self.check_sum(step, epoch, number)

    def check_sum(self, step: TrainingStep, epoch: int, number: int) -> None:
        """Checks the sum of all weights, which is quick, and each weight if that is not finite.

        Raises:
            NonFiniteError: a weight is not finite.
        """
        if not math.isfinite(step.sum_of_weights()):
            step.write_back()
            self.check_weights(epoch, number)

    def check_weights(self, epoch: int, number: int) -> None:
        """Looks at every weight; buffers may hold what they like, such as masks of infinities.

        Raises:
            NonFiniteError: one is not finite; the message names its parameter.
        """
        for name, parameter in self._model.named_parameters():
            finite = parameter.detach().isfinite()
            if not bool(finite.all()):
                count = int((~finite).sum())
                found = f"{count:,} of the {finite.numel():,} weights in {name} are not finite"
                raise self._error(found, epoch, number)

    def _error(self, found: str, epoch: int, number: int) -> NonFiniteError:
        rate = float(self._optimizer.param_groups[0]["lr"])
        return NonFiniteError(
            f"Epoch {epoch}, step {number}: {found}, at learning rate {rate:g}. Try a smaller "
            "learning rate, and check the images for values that are not finite."
        )
