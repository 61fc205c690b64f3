"""Named recipes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.foundation.checks import shown
from fmnistlab.training.recipes.recipe import Recipe

CLASSIC: Final = Recipe()
"""The tutorial's: 10 epochs, batches of 32, cross-entropy, Adam with torch's defaults."""

NAMED: Final[Mapping[str, Recipe]] = MappingProxyType({"classic": CLASSIC})
"""Recipes by their names in lower case."""


def named_recipe(name: str) -> Recipe:
    """Returns the recipe of a name, in any case.

    Raises:
        ConfigurationError: there is none.
    """
    recipe = NAMED.get(name.lower())
    if recipe is None:
        raise ConfigurationError(
            f"There is no recipe {shown(name)}; there is {', '.join(NAMED)}."
            f"{suggestion(name.lower(), NAMED)}"
        )
    return recipe
