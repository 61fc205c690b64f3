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
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.wording import setting
from fmnistlab.training.execution import Executed
from fmnistlab.training.recipes.recipe import LossFunction
from fmnistlab.training.steps.cuda.resident_program import ResidentProgram
from fmnistlab.training.steps.eager import StepResult, TrainingStep, do_nothing
from fmnistlab.training.steps.recorded.contract import objection, taken_for_granted

WARM_UP_RUNS: Final = 3
"""Runs before the capture, as PyTorch's notes on CUDA graphs advise."""

GraphCapture = Callable[[Callable[[], None]], Callable[[], None]]
"""Turns a function into one that does the same from a graph."""


def capture_on_cuda(run: Callable[[], None]) -> Callable[[], None]:
    """Captures a function as a CUDA graph and returns what replays it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


class CudaGraphStep(TrainingStep):
    """Replays whole steps over data that lies on the device, under the contract of recorded steps.

    The last batch of an epoch, if it has another size, is made as by `TrainingStep`.

    Args:
        model: in training mode, on the GPU, in its final layout.
        optimizer: made from the model's parameters.
        loss: mean loss of a batch.
        schedule: moves the learning rate after each step, or None.
        capture: makes the graph; tests give another one.

    Raises:
        ConfigurationError: the contract is not kept; see `recorded.contract`.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: LossFunction,
        schedule: LRScheduler | None,
        capture: GraphCapture = capture_on_cuda,
    ) -> None:
        super().__init__(model, optimizer, loss, schedule)
        self.eager_because: str | None = None
        self._capture = capture
        self._program: ResidentProgram | None = None
        self._replay: Callable[[], None] | None = None
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._facts: tuple[Hashable, ...] = ()
        self._check()

    @property
    def executed(self) -> Executed:
        """How steps are executed."""
        return "cuda_graph"

    def epoch(
        self,
        training: BatchSource,
        epoch: int,
        *,
        persistent: bool,
        start: int = 0,
        on_positioned: Callable[[], object] = do_nothing,
    ) -> Iterator[StepResult]:
        """Makes the steps of an epoch; see `TrainingStep`.

        Raises:
            ConfigurationError: the data does not lie in memory, or is augmented.
        """
        if not isinstance(training, ResidentBatches) or training.augmented:
            raise ConfigurationError(
                f"{setting('execution', 'cuda_graph')} needs a data set that lies in memory and no "
                "augmentation."
            )
        if self._replay is None:
            self._prepare(training)
        made = start
        for result in self._replayed(epoch, start, on_positioned):
            made += 1
            yield StepResult(*(part.clone() for part in result)) if persistent else result
        first = on_positioned if made == start else do_nothing
        yield from super().epoch(
            training, epoch, persistent=persistent, start=made, on_positioned=first
        )

    def refresh(self) -> None:
        """Forgets the graph if a callback changed what it takes for granted."""
        if self._replay is not None and self._present_facts() != self._facts:
            self.close()
            self._check()

    def close(self) -> None:
        """Forgets the graph and leaves model and optimizer as plain steps do."""
        self._replay = self._program = None
        for group, exact in zip(self._optimizer.param_groups, self._rates, strict=False):
            rate = float(group["lr"])
            group["lr"] = exact if rate == torch.tensor(exact).item() else rate
            if "capturable" in group:
                group["capturable"] = False
        for parameter in self._model.parameters():
            if parameter.grad is not None:
                parameter.grad = parameter.grad.clone()

    def _check(self) -> None:
        reason = objection(self._model, self._optimizer, self._loss)
        if reason is not None:
            raise ConfigurationError(
                f"{setting('execution', 'cuda_graph')} is not possible: {reason}."
            )

    def _present_facts(self) -> tuple[Hashable, ...]:
        state = self._optimizer.state.values()
        return (
            taken_for_granted(self._model, self._loss),
            *(id(entry) for entries in state for entry in entries.values()),
            len(self._optimizer.param_groups),
        )

    def _replayed(
        self, epoch: int, start: int, on_positioned: Callable[[], object]
    ) -> Iterator[StepResult]:
        """Makes all steps with full batches."""
        program, replay = self._program, self._replay
        if program is None or replay is None:
            return
        program.begin(epoch, start)
        on_positioned()
        for number in range(start, program.steps):
            replay()
            if self._schedule is not None:
                self._schedule.step()
            yield StepResult(program.losses[number], program.logits[number], program.labels[number])

    def _prepare(self, training: ResidentBatches) -> None:
        """Captures a step; nothing of it remains but the graph."""
        device = training.stored[0].device
        for group in self._optimizer.param_groups:
            # In a graph a number is fixed for ever, a tensor is not.
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)
            if "capturable" in group:
                group["capturable"] = True
        program = ResidentProgram(self._model, self._optimizer, self._loss, training)
        program.begin(1)
        with _undone(program, device):
            for _ in range(WARM_UP_RUNS):
                program.run()
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
    stream = None
    if cuda:
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # torch's own
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
