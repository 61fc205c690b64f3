"""Recipes by name: the built-in ones, and those that packages declare as entry points.

Packages declare recipes under the entry-point group "fmnistlab.recipes", ``name =
"module:ATTRIBUTE"``. The rules are those of models: listing imports nothing, and a plug-in that
fails is an error only for who asks for its recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fmnistlab.errors import RecipeLoadError, RecipeNameClashError, UnknownRecipeError
from fmnistlab.plugins.entry_points import Declaration, Scan
from fmnistlab.plugins.loading import load_offer, type_of
from fmnistlab.plugins.offers import (
    Kind,
    Offer,
    choose_offer,
    offers_by_name,
    scan_offers,
    usable,
)
from fmnistlab.version import __version__

if TYPE_CHECKING:  # listing recipes must not import torch
    from fmnistlab.training.recipes.recipe import Recipe

BUILT_IN: Final = ("classic", "fast", "balanced", "best")
"""Names of the recipes in `named`, where each is a constant in capitals."""

REACHED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "classic": "CNN 0.8970, 10 epochs",
        "fast": "CNN 0.9000, 4 epochs",
        "balanced": "CNN 0.9123, LinearNet 0.8878, 10 epochs",
        "best": "CNN 0.9198, 60 epochs",
    }
)
"""Mean test accuracies and what they cost; docs/accuracy.md has seeds, intervals and machine."""

_KIND: Final = Kind("recipe", UnknownRecipeError, RecipeNameClashError, RecipeLoadError)
_NAMED: Final = "fmnistlab.training.recipes.named"


def list_recipes() -> list[str]:
    """Returns the names of all recipes, the built-in ones first; nothing is imported for it."""
    return [name for name, offers in find_recipes().items() if usable(offers)]


def find_recipes() -> Mapping[str, tuple[Offer, ...]]:
    """Returns who offers which recipe, from package metadata alone; nothing is imported.

    Returns:
        Offers by name, in lower case: the built-in ones in their order, then the others, sorted.
    """
    table = _offers(_scan())
    order = [*BUILT_IN, *(name for name in table if name not in BUILT_IN)]
    return MappingProxyType({name: table[name] for name in order})


def unreadable_packages() -> tuple[str, ...]:
    """Returns a sentence for each package whose metadata is damaged; its recipes are missing."""
    return _scan().unreadable


def named_recipe(name: str) -> Recipe:
    """Returns the recipe of a name.

    Args:
        name: in any case; "package:name" chooses if two packages claim it.

    Raises:
        UnknownRecipeError: no package offers a recipe of this name.
        RecipeNameClashError: two packages do.
        RecipeLoadError: its import fails, whatever the plug-in raises, or gives no recipe.
    """
    from fmnistlab.training.recipes.recipe import Recipe  # noqa: PLC0415 - listing needs no torch

    scan = _scan()
    hint = " A recipe in a file is named as 'my.toml' or 'my.json'."
    offer = choose_offer(_KIND, name, _offers(scan), unreadable=scan.unreadable, hint=hint)
    recipe = load_offer(_KIND, offer)
    if not isinstance(recipe, Recipe):
        raise RecipeLoadError(
            f"Recipe {offer.name!r} of {offer} is {type_of(recipe)}, not a fmnistlab.Recipe; tell "
            "its authors."
        )
    return recipe


def _scan() -> Scan:
    return scan_offers(_KIND)


def _offers(scan: Scan) -> dict[str, tuple[Offer, ...]]:
    own = [
        Declaration("fmnistlab", __version__, name, f"{_NAMED}:{name.upper()}") for name in BUILT_IN
    ]
    return offers_by_name(_KIND, [*own, *scan.declarations])
