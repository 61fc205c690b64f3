"""Training steps as one CUDA graph: a launch for each step instead of one for each kernel.

On a GPU a step of a small model takes a few microseconds of arithmetic and hundreds of
microseconds in which Python asks for one kernel after the other. A CUDA graph holds the whole
step: choosing the batch, forward, loss, backward and optimizer. Not measured yet: this was written
and tested without a GPU, all but the capture itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import Final

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from fmnistlab.data.batch import BatchSource
from fmnistlab.data.batches import ResidentBatches
from fmnistlab.logger import get_logger
from fmnistlab.training.graph.obstacles import (
    check_model,
    check_unchanged,
    fixed_facts,
    python_facts,
    random_states,
    state_facts,
)
from fmnistlab.training.graph.purity import check_code
from fmnistlab.training.graph.recording import NotRepeatable
from fmnistlab.training.recipe import LossFunction, own_loss
from fmnistlab.training.resident_program import ResidentProgram
from fmnistlab.training.step import StepResult, TrainingStep, do_nothing

_logger = get_logger(__name__)

WARM_UP_RUNS: Final = 3
"""Runs before the capture, as PyTorch's notes on CUDA graphs advise: libraries set themselves up,
and a model's Python code shows whether it does the same each time."""

Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Turns a function into one that does the same from a graph."""


def capture_on_cuda(run: Callable[[], None]) -> Callable[[], None]:
    """Captures a function as a CUDA graph and returns what replays it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


class CudaGraphStep(TrainingStep):
    """Replays whole steps where the data lies on the device; else it is a `TrainingStep`.

    The last batch of an epoch, if it has another size, is always made as by `TrainingStep`.

    Args:
        model: in training mode, on the GPU, in its final layout.
        optimizer: made from the model's parameters as they are now.
        loss: mean loss of a batch.
        schedule: moves the learning rate after each step, or None.
        capture: makes the graph; tests give another one.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: LossFunction,
        schedule: LRScheduler | None,
        capture: Capture = capture_on_cuda,
    ) -> None:
        super().__init__(model, optimizer, loss, schedule)
        self._optimizer = optimizer
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._capture = capture
        self._program: ResidentProgram | None = None
        self._replay: Callable[[], None] | None = None
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._facts: tuple[Hashable, ...] = ()
        self._names_unchanged: Callable[[], bool] = lambda: True
        self._plain = False

    def epoch(
        self,
        training: BatchSource,
        epoch: int,
        *,
        lasting: bool,
        start: int = 0,
        ready: Callable[[], object] = do_nothing,
    ) -> Iterator[StepResult]:
        """Makes the steps of an epoch; see `TrainingStep`."""
        made = start
        if isinstance(training, ResidentBatches) and not training.augmented and not self._plain:
            for result in self._replayed(training, epoch, start, ready):
                made += 1
                yield StepResult(*(part.clone() for part in result)) if lasting else result
        first = ready if made == start else do_nothing
        yield from super().epoch(training, epoch, lasting=lasting, start=made, ready=first)

    def refresh(self) -> None:
        """Forgets the graph if a callback changed what it takes for granted."""
        if self._replay is None:
            return
        if self._present_facts() != self._facts or not self._names_unchanged():
            _logger.debug("the model was changed; its step will be captured again")
            self._replay = None

    def _present_facts(self) -> tuple[Hashable, ...]:
        facts = fixed_facts(self._model, own_loss(self._loss))
        return *facts, *state_facts(self._optimizer)

    def close(self) -> None:
        """Forgets the graph and leaves model and optimizer as anybody would expect them."""
        self._replay = self._program = None
        for group, exact in zip(self._optimizer.param_groups, self._rates, strict=True):
            rate = float(group["lr"])
            group["lr"] = exact if rate == torch.tensor(exact).item() else rate
            if "capturable" in group:
                group["capturable"] = False
        for parameter in self._parameters:
            if parameter.grad is not None:
                parameter.grad = parameter.grad.clone()

    def _replayed(
        self, training: ResidentBatches, epoch: int, start: int, ready: Callable[[], object]
    ) -> Iterator[StepResult]:
        """Makes all steps with full batches, or as many as the model stays as it was captured."""
        if self._replay is None:
            try:
                self._prepare(training)
            except Exception as error:  # noqa: BLE001 - whatever it is, the plain step will show it
                _logger.debug("plain training steps: %s", error)
                self.close()
                self._plain = True
        program = self._program
        if program is None:
            return
        program.begin(epoch, start)
        ready()
        for number in range(start, program.steps):
            if self._replay is None:
                return
            self._replay()
            if self._schedule is not None:
                self._schedule.step()
            yield StepResult(program.losses[number], program.logits[number], program.labels[number])

    def _prepare(self, training: ResidentBatches) -> None:
        """Captures a step; nothing of it remains but the graph."""
        check_model(self._model)
        self._names_unchanged = check_code(self._model, own_loss(self._loss))
        device = training.stored[0].device
        for group in self._optimizer.param_groups:
            if not group.get("fused"):
                raise NotRepeatable("the optimizer is not fused")
            # In a graph a number is fixed for ever, a tensor is not.
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)
            if "capturable" in group:
                group["capturable"] = True
        program = ResidentProgram(self._model, self._optimizer, self._loss, training)
        program.begin(1)
        with _undone(program, device):
            before, drawn = python_facts(self._model), random_states()
            for _ in range(WARM_UP_RUNS):
                program.run()
            if random_states() != drawn:
                raise NotRepeatable("it draws random numbers from Python or numpy, not from torch")
            check_unchanged(before, self._model)
        self._replay = self._capture(program.run)
        self._program = program
        self._facts = self._present_facts()


@contextlib.contextmanager
def _undone(program: ResidentProgram, device: torch.device) -> Iterator[None]:
    """Puts back all that the runs in the block change; they have a stream of their own.

    Optimizer state that they begin is left, with zeros in it, as an optimizer begins it.
    """
    before = [(tensor, tensor.detach().clone()) for tensor in program.changing()]
    cuda = device.type == "cuda"
    stream = torch.cuda.Stream(device) if cuda else None  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=[device] if cuda else []):
        if stream is not None:
            stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            yield
        if stream is not None:
            torch.cuda.current_stream(device).wait_stream(stream)
    known = {id(tensor) for tensor, _ in before}
    with torch.no_grad():
        for tensor in program.changing():
            if id(tensor) not in known:
                tensor.zero_()
        for tensor, content in before:
            tensor.copy_(content)
