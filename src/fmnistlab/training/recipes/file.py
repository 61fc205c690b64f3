"""Recipes as files, TOML or JSON: a setting in each line, and a recipe to begin from."""

from __future__ import annotations

import codecs
import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fmnistlab.errors import (
    ConfigurationError,
    RecipeLoadError,
    RecipeNameClashError,
    UnknownRecipeError,
    suggestion,
)
from fmnistlab.foundation.checks import refused, shown
from fmnistlab.foundation.regular_file import read_regular_file
from fmnistlab.foundation.strict_json import parse_json
from fmnistlab.foundation.wording import spoken
from fmnistlab.training.recipes.changes import changed_recipe
from fmnistlab.training.recipes.described import code_in
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.recipes.registry import named_recipe

_BASE: Final = "base"
_ENDINGS: Final = (".toml", ".json")
_LARGEST: Final = 2**20
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def recipe_of(word: str) -> Recipe:
    """Returns the recipe that a word names: a file, if it ends in .toml or .json; else by name.

    Raises:
        ConfigurationError: as of `read_recipe`.
        UnknownRecipeError, RecipeNameClashError, RecipeLoadError: as of `named_recipe`.
    """
    return read_recipe(word) if word.lower().endswith(_ENDINGS) else named_recipe(word)


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Does what `Recipe.from_file` does; code that the file names is run.

    Raises:
        ConfigurationError: the file cannot be read, or is no recipe.
        UnknownAugmentationError, AugmentationNameClashError, AugmentationLoadError: of a name of
            an augmentation.
        UnknownRecipeError, RecipeNameClashError, RecipeLoadError: of the recipe it begins from.
    """
    place = Path(path)
    values = read_settings(place, "recipe", '{"epochs": 3}')
    base = values.pop(_BASE, None)
    recipe = CLASSIC if base is None else _base(base, place)
    return changed_recipe(recipe, values, str(place), place.parent)


def read_settings(place: Path, kind: str, example: str) -> dict[str, Any]:
    """Returns what a file of settings holds, TOML or JSON.

    Args:
        place: its name ends in .toml or .json.
        kind: what it describes, for messages, such as "recipe".
        example: of one, in JSON.

    Raises:
        ConfigurationError: it cannot be read, is neither, or holds no settings.
    """
    content = _content(place, kind)
    if place.suffix.lower() == ".json":
        values = parse_json(content.removeprefix(codecs.BOM_UTF8), str(place))
    else:
        values = _parse_toml(content, str(place))
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"{place}: is no {kind}, which is an object of settings: {example}."
        )
    return values


def toml_text(described: Mapping[str, Any]) -> str:
    """Returns a recipe as lines of TOML; what is code is a comment, as no file can hold it.

    Args:
        described: what `Recipe.describe` or `Recipe.to_dict` returned.
    """
    lines = []
    for name, value in described.items():
        if code := code_in(value):
            lines.append(f"# {name}: {', '.join(code)}, which is code, and no file can hold it")
        elif value is not None:  # for which TOML has no word; no setting has another default then
            lines.append(f"{_key(name)} = {_toml(value)}")
    return "\n".join([*lines, ""])


def _content(place: Path, kind: str) -> bytes:
    if place.suffix.lower() not in _ENDINGS:
        raise ConfigurationError(f"{place}: the name of a {kind}'s file ends in .toml or .json.")
    try:
        content = read_regular_file(place, limit=_LARGEST, follow_links=True)
    except OSError as error:
        near = ""
        if isinstance(error, FileNotFoundError):
            beside = (found.name for found in place.parent.glob("*") if found.suffix in _ENDINGS)
            near = suggestion(place.name, beside)
        raise ConfigurationError(f"{place}: cannot be read: {error.strerror}.{near}") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigurationError(
            f"{place}: is UTF-16 text, as PowerShell before 7 writes it; save it as UTF-8."
        )
    return content


def _parse_toml(content: bytes, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise ConfigurationError(f"{source}: has too many levels of lists and tables.") from error
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text; byte {error.start:,} cannot be read."
        raise ConfigurationError(f"{source}: {reason}") from error
    except ValueError as error:  # also of a number with too many digits
        raise ConfigurationError(f"{source}: is not valid TOML: {error}.") from error


def _base(name: object, place: Path) -> Recipe:
    if not isinstance(name, str):
        with spoken({}):
            error = refused(_BASE, name, 'the name of a recipe, such as "classic"')
        raise ConfigurationError(f"{place}: {error}")
    if name.lower().endswith(_ENDINGS):
        raise ConfigurationError(
            f"{place}: {_BASE} names a recipe as `fmnistlab recipes` lists them, and no file; "
            f"write the settings of {shown(name)} here."
        )
    try:
        return named_recipe(name)
    except (UnknownRecipeError, RecipeNameClashError, RecipeLoadError) as error:
        raise type(error)(f"{place}: {_BASE}: {error}") from error


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _toml(name)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = [f"{_key(name)} = {_toml(v)}" for name, v in value.items() if v is not None]
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # JSON's numbers, words and texts are TOML's, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
