"""New models whose first weights a seed determines."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeAlias

from torch import nn

from fmnistlab import seeding
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import refused, shown
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
        ConfigurationError: the seed is out of range; see also `make_model`.
        UnknownModelError: no registered model has the name.
    """
    with isolated_randomness(seeding.derive_seed(seeding.checked_seed(seed), "initialize")):
        return make_model(model)


def make_model(model: ModelMaker) -> nn.Module:
    """Returns a new model; its first weights come from torch's own random numbers.

    Raises:
        ConfigurationError: `model` is no name and cannot be called, or does not return a module;
            errors of a function pass through.
        UnknownModelError: no registered model has the name.
    """
    if isinstance(model, str):
        return create_model(model)
    if not callable(model):
        raise refused(
            "model", model, "a torch.nn.Module, a registered name, or what makes a module"
        )
    try:
        inspect.signature(model).bind()
    except TypeError as error:
        raise refused("model", model, f"callable without arguments ({error})") from error
    except ValueError:  # written in another language, so that Python cannot tell
        pass
    made = model()
    if not isinstance(made, nn.Module):
        raise ConfigurationError(f"model makes {shown(made)} where a torch.nn.Module is due.")
    return made
