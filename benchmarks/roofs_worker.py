"""What this machine can do at best, in a process of its own; the result is a line of JSON.

    python -m benchmarks.roofs_worker --threads 2

All rates are those of the fastest of several repetitions, per second.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import fmnistlab
from benchmarks.commands.options import MODELS
from benchmarks.processes import Measurement

SIDE = 1024
"""Rows and columns of the matrices that are multiplied."""

COPIED = 2**28
"""Bytes of the block that is copied, far more than the caches hold."""


def measure(threads: int) -> Measurement:
    """Returns rates of multiplication and copying, and what fused Adam takes for LinearNet."""
    torch.set_num_threads(threads)
    left, right, product = (torch.rand(SIDE, SIDE) for _ in range(3))
    source, target = (torch.zeros(COPIED, dtype=torch.uint8) for _ in range(2))
    model = fmnistlab.create_model("linearnet")
    for parameter in model.parameters():
        parameter.grad = torch.rand_like(parameter)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    return {
        "multiply_flops": 2 * SIDE**3 / _fastest(lambda: torch.mm(left, right, out=product), 50),
        # Each byte is read once and written once.
        "copy_bytes": 2 * COPIED / _fastest(lambda: target.copy_(source), 10),
        "adam_seconds": _fastest(optimizer.step, 500),
        "adam_parameters": sum(parameter.numel() for parameter in model.parameters()),
        **{f"flop_{name}": _operations(fmnistlab.create_model(name)) for name in MODELS},
    }


def _operations(model: nn.Module) -> float:
    """Returns the floating-point operations that one image takes, forward and backward."""
    counter = FlopCounterMode(display=False)
    with counter:
        model(torch.zeros(32, 1, 28, 28)).sum().backward()
    return counter.get_total_flops() / 32


def _fastest(work: Callable[[], object], repetitions: int) -> float:
    """Returns the seconds of the fastest repetition, after a few that do not count."""
    for _ in range(3):
        work()
    seconds = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    """Measures once and prints the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofs_worker", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    print(json.dumps(measure(options.threads)))


if __name__ == "__main__":
    main()
