"""One training step, recorded once and replayed."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from fmnistlab.data.batch import Batch
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.global_random import random_states, restore_random_states
from fmnistlab.foundation.logger import get_logger
from fmnistlab.foundation.wording import setting
from fmnistlab.shapes import Float
from fmnistlab.training.execution import Executed
from fmnistlab.training.recipes.recipe import LossFunction
from fmnistlab.training.recipes.step_options import StepOptions
from fmnistlab.training.steps.eager import PLAIN, TrainingStep
from fmnistlab.training.steps.recorded.contract import objection, parts, taken_for_granted, tensors
from fmnistlab.training.steps.recorded.program import Program
from fmnistlab.training.steps.recorded.recording import NotRecordable
from fmnistlab.training.steps.recorded.weights import WorkingWeights

_logger = get_logger(__name__)

MOST_SHAPES = 8
"""Shapes of batches that are kept recorded; a loader with more records again and again."""


class RecordedStep(TrainingStep):
    """Makes the steps of `TrainingStep` without its Python code, as long as the contract is kept.

    The first batch of a shape is used to record a step, and nothing of that remains but the
    recording: buffers and random state are put back, so that every step of a fit, the first one
    included, is a replay. While the contract is not kept (see `contract.objection`), or if two
    recordings and a step as it is written do not agree, this is a `TrainingStep`.

    Args:
        model: in training mode, on the CPU, in its final layout.
        optimizer: made from the model's parameters.
        loss: mean loss of a batch.
        schedule: moves the learning rate after each step, or None.
        options: what the step does besides; forward and backward are the bare ones.
        required: whether it is an error if steps cannot be recorded.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: LossFunction,
        schedule: LRScheduler | None,
        options: StepOptions = PLAIN,
        *,
        required: bool = False,
    ) -> None:
        super().__init__(model, optimizer, loss, schedule, options)
        self._required = required
        self._given_up = False
        self._programs: dict[Hashable, Program] = {}
        self._weights: WorkingWeights | None = None
        self._facts: Hashable = None
        self._unexpected: Exception | None = None
        self._judge(objection(model, optimizer, loss))

    def __call__(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "batch classes"]]:
        """Makes the step; see `TrainingStep`."""
        program = None
        if self.eager_because is None:
            program = self._programs.get(_shape(batch)) or self._record(batch)
        if program is None or self._weights is None:
            results = super().__call__(batch)
            self._tell_of_unexpected()  # a model's own error would have come again
            return results
        loss, logits = program.replay(batch.images, batch.labels)
        self._weights.clip(self._options.clip_value, self._options.clip_norm)
        self._weights.step()
        self._after_update()
        return loss, logits

    @property
    def executed(self) -> Executed:
        """How steps are executed now."""
        return "recorded" if self.eager_because is None else "eager"

    def sum_of_weights(self) -> float:
        """Returns the sum of all weights that learn; see `TrainingStep`."""
        found = None if self._weights is None else self._weights.sum()
        return super().sum_of_weights() if found is None else found

    def write_back(self) -> None:
        """Puts weights, gradients and state where torch has them; see `TrainingStep`."""
        if self._weights is not None:
            self._weights.store()

    def refresh(self) -> None:
        """Takes up whatever a callback changed; see `TrainingStep`."""
        if not self._given_up:
            self._judge(objection(self._model, self._optimizer, self._loss))
        if self._facts != taken_for_granted(self._model, self._loss) or self.eager_because:
            self._forget()
        elif self._weights is not None:
            self._weights.load()
        self._lead_average()

    def close(self) -> None:
        """Ends the work; model and optimizer are as the steps as written would leave them."""
        self.write_back()
        self._forget()

    def _judge(self, reason: str | None) -> None:
        """Notes why steps are made as they are written, or that they are recorded.

        Raises:
            ConfigurationError: they are not recorded, and must be.
        """
        if reason is not None and self._required:
            raise ConfigurationError(
                f"{setting('execution', 'recorded')} is not possible: {reason}. "
                f"Use {setting('execution', 'auto')}."
            )
        if reason is not None and reason != self.eager_because:
            _logger.info("steps are made as they are written: %s", reason)
        self.eager_because = reason

    def _forget(self) -> None:
        self._programs.clear()
        self._weights = None
        self._facts = None
        self._lead_average()

    def _lead_average(self) -> None:
        """Tells the average of weights where the weights are."""
        if self.average is not None:
            self.average.follow({} if self._weights is None else self._weights.places)

    def _record(self, batch: Batch) -> Program | None:
        """Records a step for batches of this shape, or gives up recording for good."""
        if len(self._programs) == MOST_SHAPES:
            self._programs.pop(next(iter(self._programs)))
        try:
            if self._weights is None:
                self._weights = WorkingWeights(self._model, self._optimizer)
                self._facts = taken_for_granted(self._model, self._loss)
                self._lead_average()
            program = self._recorded(batch, self._weights)
        except Exception as error:  # noqa: BLE001 - told of when the step as written was right
            self.close()
            self._given_up = True
            self._unexpected = None if isinstance(error, NotRecordable) else error
            self._judge(str(error) if self._unexpected is None else "recording it failed")
            return None
        if not self._programs:
            _logger.info("steps are recorded")
        self._programs[_shape(batch)] = program
        return program

    def _recorded(self, batch: Batch, weights: WorkingWeights) -> Program:
        """Returns a recording that was found to do what the step as written does.

        Raises:
            NotRecordable: it does not, or none can be made.
        """
        others = Batch(batch.images.flip(0) / 2, batch.labels.flip(0))
        if [part.stride() for part in batch] != [part.clone().stride() for part in batch]:
            raise NotRecordable("batches do not lie densely in memory")

        def compute(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            for parameter in weights.parameters:
                parameter.grad = None
            return self.forward_and_backward(images, labels)

        def places() -> list[tuple[Tensor, Tensor]]:
            made = [p.grad for p in weights.parameters if p.grad is not None]
            if len(made) < len(weights.parameters):
                raise NotRecordable("a parameter gets no gradient")
            return [*zip(made, weights.gradients, strict=True)]

        taking_part = parts(self._model, self._loss)
        with weights.lent():
            with _unchanged(taking_part):
                program = Program(compute, _copies(batch), others, places)
            # They are compared with other images and random numbers than the recorded ones, so that
            # nothing is right only because it was left in memory.
            with _unchanged(taking_part):
                torch.rand(1)
                plain = [*compute(*_copies(others)), *(made for made, _ in places())]
            with _unchanged(taking_part):
                torch.rand(1)
                replayed = [*program.replay(*_copies(others)), *weights.gradients]
        if not _near(plain[:2], replayed[:2]) or not _near(plain[2:], replayed[2:]):
            raise NotRecordable("the replay gives something else")
        return program

    def _tell_of_unexpected(self) -> None:
        error, self._unexpected = self._unexpected, None
        if error is not None:
            _logger.warning(
                "recording a step of %s failed unexpectedly (%s: %s); steps are made as they are "
                "written, which is slower and no less right",
                type(self._model).__name__,
                type(error).__name__,
                error,
            )


def _near(wanted: Sequence[Tensor], found: Sequence[Tensor]) -> bool:
    """Returns whether results differ by no more than other kernels round, as seen from the largest.

    A gradient that is zero but for rounding may be anything small.
    """
    largest = max(float(part.detach().abs().nan_to_num(posinf=0).max()) for part in wanted)
    return all(
        torch.allclose(one, other, rtol=1e-3, atol=1e-4 * largest, equal_nan=True)
        for one, other in zip(wanted, found, strict=True)
    )


def _copies(batch: Batch) -> list[Tensor]:
    """Returns copies of images and labels, since a model may write into its input."""
    return [part.clone() for part in batch]


def _shape(batch: Batch) -> Hashable:
    images, labels = batch
    return images.shape, images.stride(), labels.shape, labels.stride(), labels.dtype


@contextlib.contextmanager
def _unchanged(taking_part: Sequence[Any]) -> Iterator[None]:
    """Puts attributes, the content of tensors and all random states back afterwards."""
    attributes = [vars(part) for part in taking_part if hasattr(part, "__dict__")]
    inner = [value for names in attributes for value in names.values() if type(value) is dict]
    named = [(names, dict(names)) for names in (*attributes, *inner)]
    contents = [(tensor, tensor.detach().clone()) for tensor in tensors(taking_part)]
    random = random_states()
    try:
        yield
    finally:
        for names, before in named:
            for added in names.keys() - before.keys():
                del names[added]
            names.update(before)
        with torch.no_grad():
            for tensor, content in contents:
                tensor.copy_(content)
        restore_random_states(random)
