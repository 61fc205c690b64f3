"""New models whose first weights a seed determines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import nn

from fmnistlab import seeding
from fmnistlab.foundation.global_random import isolated_randomness
from fmnistlab.models.registry import create_model

ModelMaker: TypeAlias = str | Callable[[], nn.Module]
"""Name of a registered model, or anything that makes a model when called."""


def seeded_model(model: ModelMaker, seed: int) -> nn.Module:
    """Returns a new model whose initial weights the seed determines, as for `fmnistlab train`.

    Args:
        model: name of a registered model, or anything that makes a model when called.
        seed: 0 to 2**63 - 1.

    Raises:
        ConfigurationError: the seed is out of range.
        UnknownModelError: no registered model has the name.
    """
    with isolated_randomness(seeding.derive_seed(seeding.checked_seed(seed), "initialize")):
        return make_model(model)


def make_model(model: ModelMaker) -> nn.Module:
    """Returns a new model; its first weights come from torch's own random numbers."""
    return create_model(model) if isinstance(model, str) else model()
