"""The example beside the recorded step is what torch and this code do."""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from fmnistlab.training.steps import recorded
from fmnistlab.training.steps.recorded.internals import name_of
from fmnistlab.training.steps.recorded.lowering import lower
from fmnistlab.training.steps.recorded.memory import Memory
from fmnistlab.training.steps.recorded.recording import record

ROW = re.compile(r"    (\w+) +([\d ]+) -> ([\d ]+?)(?:   *(call)?.*)?")


def test_the_example_lists_the_operations_and_the_calls() -> None:
    rows = [ROW.fullmatch(line) for line in (recorded.__doc__ or "").splitlines()]
    told = [(row[1], row[2].split(), row[3].split(), row[4] is not None) for row in rows if row]
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    images, labels = torch.rand(32, 1, 28, 28), torch.arange(32) % 10

    def step() -> Tensor:
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        return loss

    memory = Memory()
    operations, _ = record(step, memory)

    def blocks(tensors: Iterable[Tensor]) -> list[str]:
        return [str(memory.block(tensor)) for tensor in tensors]

    found = [
        (name_of(one.kernel), blocks(one.reads()), blocks(one.writes()), bool(calls))
        for one in operations
        for calls in [lower([one], memory, lambda _: None)]
    ]
    assert told == found
    assert f"So {len(found)} operations" in (recorded.__doc__ or "")
    assert f"become {sum(row[3] for row in found)} calls" in (recorded.__doc__ or "")
