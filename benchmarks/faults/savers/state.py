"""A state of 600 kB in which every tensor holds the number of the save it belongs to."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

TENSORS = 10
SIZE = 15_000
"""Float32 numbers in a tensor."""


def tensors(number: float) -> dict[str, Tensor]:
    """Returns the state of a save as tensors by name."""
    return {f"part{index}": torch.full((SIZE,), float(number)) for index in range(TENSORS)}


def numbers(found: Iterable[Tensor]) -> list[float]:
    """Returns the numbers of all saves that parts of the tensors come from, ascending."""
    values: set[float] = set()
    for tensor in found:
        values.update(tensor.unique().tolist())
    return sorted(values)


class Parts(nn.Module):
    """A module with half of the state; the other half is the momentum of its optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ParameterList(
            nn.Parameter(torch.full((SIZE,), -1.0)) for _ in range(TENSORS // 2)
        )


def optimizer_for(module: nn.Module) -> torch.optim.Optimizer:
    """Returns an optimizer with momentum, which has made no step."""
    return torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)


def fill(module: nn.Module, optimizer: torch.optim.Optimizer, number: float) -> None:
    """Puts the number of a save into all weights and all momentum."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(number)
            optimizer.state[parameter]["momentum_buffer"] = torch.full_like(parameter, number)


def held(module: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Returns weights and momentum.

    Raises:
        KeyError: the optimizer has no momentum, so nothing was loaded into it.
    """
    parameters = list(module.parameters())
    momentum = [optimizer.state[parameter]["momentum_buffer"] for parameter in parameters]
    return [*(parameter.detach() for parameter in parameters), *momentum]
