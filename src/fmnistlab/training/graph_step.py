"""One training step, recorded once and replayed, wherever that is sure to be the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from fmnistlab.data.batch import Batch
from fmnistlab.logger import get_logger
from fmnistlab.shapes import Float
from fmnistlab.training.flat_adam import FlatAdam, can_be_flat
from fmnistlab.training.graph.cpu_graph import CpuGraph
from fmnistlab.training.graph.memory import Memory
from fmnistlab.training.graph.obstacles import (
    check_model,
    check_unchanged,
    fixed_facts,
    kept_tensors,
    python_facts,
    random_states,
    state_facts,
)
from fmnistlab.training.graph.purity import check_code
from fmnistlab.training.graph.recording import NotRepeatable, record
from fmnistlab.training.optimizer_step import obstacle, optimizer_step
from fmnistlab.training.recipe import LossFunction, own_loss
from fmnistlab.training.step import TrainingStep

_logger = get_logger(__name__)

MOST_SHAPES = 8
"""Shapes of batches that are kept recorded; a loader with more records again and again."""


class GraphStep(TrainingStep):
    """Makes the steps of `TrainingStep` without its Python code.

    The first batch of a shape is used to record a step, and nothing of that remains but the
    recording: buffers and random state are put back, so that every step of a fit, the first one
    included, is a replay. If the step cannot be replayed, this is a `TrainingStep`, and a line in
    the debug log says why.

    Args:
        model: in training mode, on the CPU, in its final layout.
        optimizer: made from the model's parameters as they are now.
        loss: mean loss of a batch.
        schedule: moves the learning rate after each step, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: LossFunction,
        schedule: LRScheduler | None,
    ) -> None:
        super().__init__(model, optimizer, loss, schedule)
        self._optimizer = optimizer
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._recorded: dict[Hashable, CpuGraph] = {}
        self._flat: FlatAdam | None = None
        self._gradients: list[tuple[nn.Parameter, Tensor]] = []
        self._facts: tuple[Hashable, ...] = ()
        self._names_unchanged: Callable[[], bool] = lambda: True
        self._plain = False
        self._step_update: Callable[[], object] = optimizer_step(optimizer)

    def __call__(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "batch classes"]]:
        """Makes the step; see `TrainingStep`."""
        if self._plain:
            return super().__call__(batch)
        recorded = self._recorded.get(_shape(batch)) or self._record(batch)
        if recorded is None:
            return super().__call__(batch)
        loss, logits = recorded.replay(batch.images, batch.labels)
        with torch.no_grad():
            self._step_update()
        if self._schedule is not None:
            self._schedule.step()
        return loss, logits

    def prepare(self, batch: Batch) -> None:
        """Records a step for this batch, if none was recorded; see `TrainingStep`."""
        if not self._plain and not self._recorded:
            self._record(batch)

    def sum_of_weights(self) -> float:
        """Returns the sum of all weights that learn; see `TrainingStep`."""
        return super().sum_of_weights() if self._flat is None else self._flat.sum_of_weights()

    def refresh(self) -> None:
        """Looks whether a callback changed what the recording takes for granted; then forgets it.

        Such changes are: a submodule's mode, which parameters learn, hooks, other tensors.
        """
        if not self._recorded:
            return
        if self._present_facts() == self._facts and self._names_unchanged():
            for parameter, place in self._gradients:
                parameter.grad = place
        else:
            _logger.debug("the model was changed; its step will be recorded again")
            self.close()

    def _present_facts(self) -> tuple[Hashable, ...]:
        held = () if self._flat is None else state_facts(self._optimizer)
        return *fixed_facts(self._model, own_loss(self._loss)), *held

    def close(self) -> None:
        """Forgets all recordings and gives model and optimizer memory of their own again."""
        self._recorded.clear()
        if self._flat is not None:
            self._flat.release()
            self._flat = None
        self._gradients = []

    def _record(self, batch: Batch) -> CpuGraph | None:
        """Records a step for batches of this shape, or gives up recording for good."""
        if len(self._recorded) == MOST_SHAPES:
            self._recorded.pop(next(iter(self._recorded)))
        try:
            check_model(self._model)
            self._names_unchanged = check_code(self._model, own_loss(self._loss))
            if not type(self._optimizer).__module__.startswith("torch.optim."):
                raise NotRepeatable("nobody knows what the optimizer does with gradients")
            if not self._gradients:
                self._prepare()
            recorded = self._recording(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the plain step will show it
            _logger.debug("plain training steps: %s", error)
            self.close()
            self._plain = True
            return None
        self._facts = self._present_facts()
        self._recorded[_shape(batch)] = recorded
        return recorded

    def _prepare(self) -> None:
        """Gives the gradients, and if possible the optimizer, memory that never moves."""
        if obstacle(self._optimizer) is None and can_be_flat(self._optimizer):
            linear = [
                module.weight
                for module in self._model.modules()
                if type(module) is nn.Linear and isinstance(module.weight, nn.Parameter)
            ]
            self._flat = FlatAdam(self._optimizer, linear)
            self._gradients = self._flat.gradients
            self._step_update = self._flat.step
        else:
            self._gradients = [(p, torch.zeros_like(p)) for p in self._parameters]
            self._step_update = optimizer_step(self._optimizer)

    def _recording(self, batch: Batch) -> CpuGraph:
        def forward_and_backward(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            for parameter in self._parameters:
                parameter.grad = None
            drawn = random_states()
            logits: Tensor = self._model(images)
            loss = self._loss(logits, labels)
            loss.backward()  # type: ignore[no-untyped-call] # torch's own
            if random_states() != drawn:
                raise NotRepeatable("it draws random numbers from Python or numpy, not from torch")
            return loss, logits

        def places() -> list[tuple[Tensor, Tensor]]:
            found = []
            for parameter, place in self._gradients:
                if parameter.grad is None:
                    raise NotRepeatable("a parameter gets no gradient")
                found.append((parameter.grad, place))
            return found

        inputs = batch.images.clone(), batch.labels.clone()  # a model may write into its input
        if [x.stride() for x in inputs] != [batch.images.stride(), batch.labels.stride()]:
            raise NotRepeatable("batches do not lie densely in memory")
        before = python_facts(self._model)
        with _unchanged(self._model):
            graph = CpuGraph(forward_and_backward, inputs, places)
        check_unchanged(before, self._model)
        with _unchanged(self._model):
            results: tuple[Tensor, ...] = ()

            def plain() -> None:
                nonlocal results
                results = forward_and_backward(*(part.clone() for part in inputs))

            record(plain, Memory())
            gradients = [made for made, _ in places()]
        with _unchanged(self._model):
            replayed = graph.rehearse(*(part.clone() for part in inputs))
        places_now = [place for _, place in self._gradients]
        if not (_near(results, replayed) and _near(gradients, places_now)):
            raise NotRepeatable("the replay gives something else")
        for parameter, place in self._gradients:
            parameter.grad = place
        return graph


def _near(wanted: Sequence[Tensor], found: Sequence[Tensor]) -> bool:
    """Returns whether results differ by no more than other kernels round, as seen from the largest.

    A gradient that is zero but for rounding may be anything small.
    """
    largest = max(float(part.detach().abs().nan_to_num(posinf=0).max()) for part in wanted)
    return all(
        torch.allclose(one, other, rtol=1e-3, atol=1e-4 * largest, equal_nan=True)
        for one, other in zip(wanted, found, strict=True)
    )


def _shape(batch: Batch) -> Hashable:
    images, labels = batch
    return images.shape, images.stride(), labels.shape, labels.stride(), labels.dtype


@contextlib.contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Puts buffers, other tensors of the model and torch's random state back afterwards."""
    before = [(tensor, tensor.detach().clone()) for tensor in kept_tensors(model)]
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, content in before:
                    buffer.copy_(content)
