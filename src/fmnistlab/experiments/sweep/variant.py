"""One of several ways to train: a model with its options and a recipe."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import refused, shown
from fmnistlab.training.recipes.named import CLASSIC, named_recipe
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


def parse_variant(word: str, recipe: Recipe = CLASSIC) -> Variant:
    """Returns the variant that a word names.

    Args:
        word: "cnn"; "cnn@classic" with a named recipe; "cnn@epochs=3,batch_size=64" with changes
            of `recipe`; and both, "cnn@classic,epochs=3".
        recipe: how to train where the word names no recipe.

    Raises:
        ConfigurationError: there is no such recipe or setting.
    """
    model, at, settings = word.rpartition("@")
    if not at:
        return Variant(model=word, recipe=recipe)
    changes: dict[str, Any] = {}
    for position, part in enumerate(settings.split(",")):
        name, equals, value = part.partition("=")
        if not equals and position == 0:
            recipe = named_recipe(part)
        elif not equals:
            raise ConfigurationError(
                f"{shown(word)}: {shown(part)} is no setting; write NAME=VALUE, such as epochs=3."
            )
        else:
            changes[name.strip()] = _value(value.strip())
    return Variant(model=model, recipe=recipe.replace(**changes), name=word)


def _value(text: str) -> Any:
    """Returns the value of JSON that a text is, such as a number, and else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
