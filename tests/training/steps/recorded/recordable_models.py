"""Models for recorded steps: what they do is a function that a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Free(nn.Module):
    """Two linear layers; a function tells how they are used."""

    recordable = True
    level = 1.0

    def __init__(self, function: Callable[..., Tensor] | None = None, **attributes: Any) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(784, 16), nn.Linear(16, 10)
        self.function = function
        for name, make in attributes.items():
            setattr(self, name, make())

    def forward(self, images: Tensor) -> Tensor:
        if self.function is not None:
            return self.function(self, images)
        return self.outer(self.inner(images.flatten(1)).relu())


def flat(*layers: nn.Module) -> nn.Module:
    """Layers over images, then a linear one over whatever comes out."""
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(10))


class Unsaid(Free):
    def helper(self) -> None:
        """A method that the promise of `Free` does not cover."""
