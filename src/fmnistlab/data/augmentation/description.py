"""Augmentations as values of JSON: a name and settings, as a recipe's file has them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from torch import Tensor

from fmnistlab.data.augmentation.protocol import Augmentation
from fmnistlab.data.augmentation.registry import (
    BUILT_IN,
    augmentation_name,
    is_built_in,
    is_offered,
    load_augmentation,
)
from fmnistlab.errors import (
    AugmentationLoadError,
    ConfigurationError,
    UnknownAugmentationError,
    suggestion,
)
from fmnistlab.foundation.checks import shown
from fmnistlab.foundation.terminal import describe
from fmnistlab.foundation.typed_json import read_as
from fmnistlab.foundation.wording import setting
from fmnistlab.plugins.code import is_code_name

_NAME = "name"


@dataclasses.dataclass(frozen=True)
class RecordedAugmentation:
    """Stands for an augmentation of a record whose code was not imported: it cannot be trained.

    Attributes:
        described: what `augmentation_to_dict` returned when it was recorded.
    """

    described: Mapping[str, Any] = dataclasses.field(hash=False)
    draws: ClassVar[int] = 0

    def __call__(self, images: Tensor, uniform: Tensor) -> NoReturn:
        """Changes nothing.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            f"The augmentation {self.described[_NAME]} is known by its name alone; to train with "
            f"it give the recipe with {setting('recipe', ...)}."
        )


def augmentation_to_dict(augmentation: Augmentation) -> dict[str, Any]:
    """Returns a JSON-able description of an augmentation, all its settings and its name.

    The name is "HorizontalFlip" for what is built in, "module:Class" or "file.py:Class" for others.

    Raises:
        ConfigurationError: a description would not lead back to it.
    """
    if isinstance(augmentation, RecordedAugmentation):
        return dict(augmentation.described)
    kind: Any = type(augmentation)
    fault = _class_fault(kind)
    name = augmentation_name(kind)
    if fault is None and not (is_built_in(kind) or is_code_name(name)):
        fault = "is defined inside a function, so no name leads to it"
    described: dict[str, Any] = {_NAME: name}
    if fault is None:
        try:
            settings = _settings(augmentation)
            if _settings(_made(kind, settings, name)) != settings:
                fault = "makes of the same settings another augmentation"
            described |= settings
        except ConfigurationError as error:
            fault = f"has settings that cannot be read back ({error})".replace(".)", ")")
    if fault is not None:
        raise ConfigurationError(
            f"The augmentation {shown(augmentation)} cannot be written to a file, since its class "
            f"{fault}; give the recipe again when you load."
        )
    return described


def augmentation_from_dict(
    description: Mapping[str, Any], *, run_in: Path | None = None
) -> Augmentation:
    """Returns the augmentation that `augmentation_to_dict` described.

    Args:
        description: a name and all settings.
        run_in: if given, the description is a caller's own word: any code that it names is run,
            that of files in this folder, and settings may be left out that have a default. None:
            only what is built in, and what installed packages offer.

    Raises:
        ConfigurationError: it is no description, or a setting is unknown, missing or impossible.
        UnknownAugmentationError, AugmentationNameClashError: as of `load_augmentation`.
        AugmentationLoadError: likewise; or what is named is none that a file can describe, or no
            longer takes the settings.
    """
    name = _name_in(description)
    kind = load_augmentation(name, run_in)
    fault = _class_fault(kind)
    if fault is not None:
        raise AugmentationLoadError(f"Augmentation {name!r} {fault}.")
    settings = {key: value for key, value in description.items() if key != _NAME}
    if run_in is not None:
        settings = {**_defaults(kind), **settings}
    try:
        return _made(kind, settings, name)
    except ConfigurationError as error:
        if run_in is not None or is_built_in(kind):
            raise
        raise AugmentationLoadError(
            f"{error} It was recorded with other code than there is now."
        ) from error


def recorded_augmentation(description: Mapping[str, Any]) -> Augmentation:
    """Returns what a record describes; in place of code, which is not imported, what stands for it.

    Args:
        description: what `augmentation_to_dict` returned.

    Raises:
        ConfigurationError: it is no description.
    """
    name = _name_in(description)
    if name in BUILT_IN:
        return augmentation_from_dict(description)
    if is_code_name(name):
        return RecordedAugmentation(description)
    raise UnknownAugmentationError(f"Unknown augmentation {name!r}.{suggestion(name, BUILT_IN)}")


def unoffered(descriptions: object) -> list[str]:
    """Returns the names of code in descriptions that no installed package offers.

    Args:
        descriptions: what a file holds, a list if it is as it should be.
    """
    known = descriptions if isinstance(descriptions, list) else []
    names = [each.get(_NAME) for each in known if isinstance(each, dict)]
    return [n for n in names if isinstance(n, str) and is_code_name(n) and not is_offered(n)]


def _name_in(description: object) -> str:
    name = description.get(_NAME) if isinstance(description, Mapping) else None
    if not isinstance(name, str):
        raise ConfigurationError(
            f"An augmentation is described by a name and settings, not by {shown(description)}."
        )
    return name


def _class_fault(kind: Any) -> str | None:
    """Returns why no description can lead to objects of a class, in words, or None."""
    parameters = getattr(kind, "__dataclass_params__", None)
    if not isinstance(kind, type) or not isinstance(getattr(kind, "draws", None), int):
        return "is no augmentation: a class with `draws` and a call"
    if parameters is None or not parameters.frozen:
        return "is no frozen dataclass, whose fields are its settings"
    names = [field.name for field in dataclasses.fields(kind)]
    if _NAME in names or not all(field.init for field in dataclasses.fields(kind)):
        return f"has a field that is called {_NAME!r}, or that cannot be given"
    return None


def _settings(augmentation: Augmentation) -> dict[str, Any]:
    fields = dataclasses.fields(augmentation)  # type: ignore[arg-type] # it was looked at
    return {f.name: _as_json(getattr(augmentation, f.name), f.name) for f in fields}


def _as_json(value: object, place: str) -> Any:
    plain = value is None or type(value) in (bool, int, str)
    if plain or (type(value) is float and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [_as_json(item, place) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _as_json(item, place) for key, item in value.items()}
    raise ConfigurationError(f"{place} is {shown(value)}, no value of JSON.")


def _defaults(kind: Any) -> dict[str, Any]:
    found = {field.name: field.default for field in dataclasses.fields(kind)}
    for field in dataclasses.fields(kind):
        if field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory()
    return {n: _as_json(v, n) for n, v in found.items() if v is not dataclasses.MISSING}


def _made(kind: Any, settings: Mapping[str, Any], name: str) -> Augmentation:
    try:
        augmentation: Augmentation = read_as(kind, settings, f"Augmentation {name}")
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"Augmentation {name} cannot be made of {shown(settings)}: {describe(error)}."
        ) from error
    return augmentation
