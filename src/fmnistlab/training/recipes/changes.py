"""Recipes by what is changed: settings that a file or a command gives, and those that differ."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmnistlab.data.augmentation.description import augmentation_from_dict
from fmnistlab.errors import AugmentationLoadError, ConfigurationError
from fmnistlab.foundation.checks import shown
from fmnistlab.foundation.wording import spoken
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe, settings_from_dict


def changed_recipe(
    recipe: Recipe, values: Mapping[str, Any], source: str, folder: Path | None = None
) -> Recipe:
    """Returns a recipe with other settings, of which each stays as in `recipe` that is not given.

    Args:
        recipe: what is changed.
        values: settings as in the dictionary that `Recipe.to_dict` returns.
        source: where they come from, for messages, which then say `learning_rate` and not `--lr`.
        folder: where code is that they name, which is run; the working folder if None.

    Raises:
        ConfigurationError: a setting is impossible or does not exist.
        UnknownAugmentationError, AugmentationNameClashError, AugmentationLoadError: of the name of
            an augmentation.
    """
    try:
        if values.get("loss") is not None:
            raise ConfigurationError(
                f"loss is {shown(values['loss'])}; a loss is code, which only Python can give: "
                "Recipe(loss=...)."
            )
        with spoken({}):
            named = functools.partial(augmentation_from_dict, run_in=(folder or Path()).absolute())
            return recipe.replace(**settings_from_dict(values, named))
    except (ConfigurationError, AugmentationLoadError) as error:
        kind = type(error) if isinstance(error, LookupError | ImportError) else ConfigurationError
        raise kind(f"{source}: {error}") from error


def changed_settings(described: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings in which a recipe differs from the classic one.

    Args:
        described: what `Recipe.describe` returned.
    """
    classic = CLASSIC.describe()
    return {name: v for name, v in described.items() if v != classic.get(name)}
