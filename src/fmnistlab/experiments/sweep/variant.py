"""One of several ways to train: a model with its options and a recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from fmnistlab.foundation.assignments import parse_assignments, split_word
from fmnistlab.foundation.checks import refused, shown
from fmnistlab.training.recipes.changes import changed_recipe
from fmnistlab.training.recipes.file import recipe_of
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """One of several ways to train.

    Args:
        model: name of a registered model, or code as of `create_model`.
        model_options: keyword arguments for it.
        recipe: how to train.
        name: what it is called in tables; the model's name if None.

    Raises:
        ConfigurationError: one of them is of another kind.
    """

    model: str
    model_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    recipe: Recipe = CLASSIC
    name: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise refused("model", self.model, 'the name of a model, such as "cnn"')
        if not isinstance(self.recipe, Recipe):
            raise refused("recipe", self.recipe, "a Recipe")
        if self.name is not None and (not isinstance(self.name, str) or not self.name.strip()):
            raise refused("name", self.name, "text, or None")

    @property
    def label(self) -> str:
        """What it is called in tables."""
        return self.model if self.name is None else self.name


def parse_variant(
    word: str, recipe: Recipe = CLASSIC, change: Callable[[Recipe], Recipe] | None = None
) -> Variant:
    """Returns the variant that a word names: MODEL[,OPTION=VALUE...][@RECIPE[,SETTING=VALUE...]].

    A shell takes none of its characters for its own, as it would brackets, spaces or stars.

    Args:
        word: "cnn"; "mlp,hidden=64" with options of the model; "cnn@classic" with a named recipe,
            "cnn@my.toml" with one in a file; "cnn@epochs=3,batch_size=64" with changes of `recipe`;
            and all of it, "mlp,hidden=64@my.toml,epochs=3". Values are those of JSON, or text.
        recipe: how to train where the word names no recipe.
        change: what is made of a recipe that the word names, before the settings in the word.

    Raises:
        ConfigurationError: there is no such setting, or the file of a recipe is wrong.
        UnknownRecipeError, RecipeNameClashError, RecipeLoadError: as of `named_recipe`.
    """
    *parts, how = split_word(word, "@")
    model, *given = split_word("@".join(parts) if parts else how, ",")
    options = parse_assignments(given, shown(word), item="option", example="hidden=64")
    if parts:
        settings = split_word(how, ",")
        if "=" not in settings[0]:
            named = recipe_of(settings.pop(0))
            recipe = named if change is None else change(named)
        recipe = changed_recipe(recipe, parse_assignments(settings, shown(word)), shown(word))
    name = word if parts or options else None
    return Variant(model=model, model_options=options, recipe=recipe, name=name)
