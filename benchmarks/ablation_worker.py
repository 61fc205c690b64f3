"""What each part of the recorded step gains, in a process of its own; the result is a line of JSON.

    python -m benchmarks.ablation_worker --threads 2

Every way of making steps gets a turn of 300 steps over the same real batches, one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import torch

import fmnistlab
from benchmarks.commands.ablation import EAGER, WAYS, WITHOUT
from benchmarks.commands.options import MODELS
from benchmarks.processes import Measurement
from fmnistlab.data.batch import Batch
from fmnistlab.data.batches import batch_source
from fmnistlab.training.execution import Execution
from fmnistlab.training.steps.choice import make_step
from fmnistlab.training.steps.eager import TrainingStep
from fmnistlab.training.steps.layout import prepare_model
from fmnistlab.training.steps.recorded import program, weights
from fmnistlab.training.steps.recorded import step as recorded_step

STEPS = 300
"""Steps in a turn."""


def measure(threads: int) -> Measurement:
    """Returns the microseconds of a step for each model and way, named "MODEL WAY"."""
    torch.set_num_threads(threads)
    data = fmnistlab.FashionMNISTCSV.bundled("train").select(range(STEPS * 32))
    source = batch_source(data, device=torch.device("cpu"), batch_size=32)
    batches = [*source.training_batches(1)]
    found: Measurement = {}
    for model in MODELS:
        steps = {way: _step(model, way, batches[0]) for way in WAYS}
        for counts in (False, True):  # the first turns warm up
            for way, step in steps.items():
                started = time.perf_counter()
                for batch in batches:
                    step(batch)
                elapsed = time.perf_counter() - started
                if counts:
                    found[f"{model} {way}"] = elapsed / STEPS * 1e6
    return found


def _step(name: str, way: str, first: Batch) -> TrainingStep:
    """Returns what makes steps of a new model in one of the ways, recorded if it can be."""
    torch.manual_seed(0)
    model = fmnistlab.create_model(name)
    prepare_model(model, first)
    model.train()
    recipe = fmnistlab.recipes.CLASSIC
    optimizer = recipe.make_optimizer(model)
    execution: Execution = "eager" if way == EAGER else "recorded"
    step = make_step(
        execution, model, optimizer, recipe.training_loss, None, options=recipe.step_options()
    )
    with _left_out(WITHOUT.get(way, ())):
        step(first)
    if way != EAGER and step.executed != "recorded":
        raise SystemExit(f"{name} {way}: {step.executed}")
    return step


@contextlib.contextmanager
def _left_out(parts: tuple[str, ...]) -> Iterator[None]:
    """Leaves parts out of what is recorded inside the block."""

    class NoProducts:
        def __init__(self, memory: object) -> None:
            pass

        def is_product(self, operation: object) -> bool:
            return False

        def lower(self, operation: object) -> None:
            return None

    class TorchsOwn(weights.WorkingWeights):
        """Weights and gradients where torch has them, moved by torch's own optimizer."""

        def __init__(self, model: Any, optimizer: Any) -> None:
            super().__init__(model, optimizer)
            self.gradients = [_gradient_for(p) for p in self.parameters]
            for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
                parameter.grad = gradient

        @contextlib.contextmanager
        def lent(self) -> Iterator[None]:
            yield
            for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
                parameter.grad = gradient

        def step(self) -> None:
            self._optimizer.step()

    changes: dict[str, tuple[object, str, object]] = {
        "convolutions": (program, "Convolutions", NoProducts),
        "cropping": (program, "crop", lambda operations, *_: operations),
        "columns": (weights, "COLUMNS", False),
        "weights": (recorded_step, "WorkingWeights", TorchsOwn),
    }
    with contextlib.ExitStack() as stack:
        for part in parts:
            owner, name, new = changes[part]
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, new)
        yield


def _gradient_for(parameter: Any) -> Any:
    """Returns memory for a gradient, in the layout of its parameter."""
    return torch.zeros_like(parameter, requires_grad=False)


def main() -> None:
    """Measures once and prints the result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation_worker", description=__doc__
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    print(json.dumps(measure(options.threads)))


if __name__ == "__main__":
    main()
