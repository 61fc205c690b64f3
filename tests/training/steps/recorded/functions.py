"""Functions of tensors that are recorded, and the numbers that they get."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fmnistlab.training.steps.recorded.program import Program

Function = Callable[..., Sequence[Tensor]]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def program_of(function: Function, *inputs: Tensor) -> Program:
    """A program whose results have no place of their own; the inputs are left alone."""
    others = [(given.flip(0) / 2).to(given.dtype) for given in inputs]
    return Program(function, [given.clone() for given in inputs], others, list)


OUTSIDE = numbers(4, 4, seed=3)
