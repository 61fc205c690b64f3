"""What a search may choose from: a range or a list of values for each setting."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import math
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from fmnistlab.errors import ConfigurationError, FmnistlabError, suggestion
from fmnistlab.foundation.checks import number, shown
from fmnistlab.foundation.json_text import json_text
from fmnistlab.foundation.wording import spoken
from fmnistlab.models.option_types import check_written_options
from fmnistlab.models.options import refusal
from fmnistlab.models.registry import create_model, load_model, model_options
from fmnistlab.models.seeded import seeded_model
from fmnistlab.training.recipes.changes import changed_recipe
from fmnistlab.training.recipes.file import read_settings
from fmnistlab.training.recipes.recipe import Recipe

AnySpace: TypeAlias = Mapping[str, Any] | str | os.PathLike[str] | None
"""How a space is given: see `search`."""

MODEL: Final = "model"
"""Table of the options of the model."""

DEFAULT: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
        "batch_size": {"choices": [32, 64, 128]},
        "schedule": {"choices": ["constant", "cosine", "one_cycle"]},
    }
)
"""What is searched if nothing is said."""

_KEYS: Final = ("low", "high", "log", "step", "choices")
_MOST_CHOICES: Final = 1000
_MOST_COMBINATIONS: Final = 1000
_LARGEST_WHOLE: Final = 2**53


@dataclasses.dataclass(frozen=True)
class Dimension:
    """What one setting may be.

    Attributes:
        name: of a setting of the recipe, or "model." and that of an option of the model.
        choices: the values; None for a range.
        low: the smallest value of a range, whole if all values are.
        high: the largest one.
        log: whether small values are tried as often as large ones, by their logarithm.
        step: distance of two values; None for any.
    """

    name: str
    choices: tuple[Any, ...] | None = None
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None

    def extremes(self) -> tuple[Any, ...]:
        """Returns values that must be possible if all are to be: the choices, or both ends."""
        return (self.low, self.high) if self.choices is None else self.choices

    def as_floats(self) -> Dimension:
        """Returns it with a range of any numbers, not only whole ones."""
        if self.choices is not None:
            return self
        step = None if self.step is None else float(self.step)
        return dataclasses.replace(self, low=float(self.low), high=float(self.high), step=step)

    def to_dict(self) -> dict[str, Any]:
        """Returns it as values of JSON."""
        if self.choices is not None:
            return {"choices": list(self.choices)}
        return {"low": self.low, "high": self.high, "log": self.log, "step": self.step}


@dataclasses.dataclass(frozen=True)
class Space:
    """What a search may choose from.

    Attributes:
        dimensions: in the order of their names.
    """

    dimensions: tuple[Dimension, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns it as values of JSON, by name."""
        return {dimension.name: dimension.to_dict() for dimension in self.dimensions}

    def applied(
        self, recipe: Recipe, options: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> tuple[Recipe, dict[str, Any]]:
        """Returns recipe and model options with the settings of a trial.

        Args:
            recipe: how to train otherwise.
            options: of the model otherwise.
            settings: a value for each dimension, by name.

        Raises:
            ConfigurationError: the settings are impossible together.
        """
        prefix = f"{MODEL}."
        of_model = {n.removeprefix(prefix): v for n, v in settings.items() if n.startswith(prefix)}
        of_recipe = {n: v for n, v in settings.items() if not n.startswith(prefix)}
        return changed_recipe(recipe, of_recipe, "the trial"), {**options, **of_model}


def read_space(space: AnySpace) -> Space:
    """Returns a space, each entry checked for itself.

    Args:
        space: as of `search`.

    Raises:
        ConfigurationError: the file cannot be read, there is nothing in it, or a range is none.
    """
    source = "space"
    if space is None:
        space = DEFAULT
    elif not isinstance(space, Mapping):
        source = os.fspath(space)
        space = read_settings(Path(space), "space", '{"epochs": {"low": 1, "high": 9}}')
    found = sorted(_dimensions(space, source), key=lambda dimension: dimension.name)
    if not found:
        raise ConfigurationError(
            f"{source}: there is nothing to search in. Write a table for each setting, such as "
            "[learning_rate] with low, high and log."
        )
    return Space(tuple(found))


def fitted_space(space: Space, recipe: Recipe, model: str, options: Mapping[str, Any]) -> Space:
    """Returns a space that fits recipe and model; ranges of what may be any number are floats.

    Both ends of a range and each choice are put into the recipe, where needed beside other values
    of the space, or into the model, which is made.

    Args:
        space: what was read.
        recipe: how to train otherwise.
        model: name of a registered model.
        options: of the model otherwise.

    Raises:
        ConfigurationError: there is no such setting, or a value is impossible by itself; the
            message names the setting, and the nearest that there is.
    """
    fitted = []
    for dimension in space.dimensions:
        option = dimension.name.removeprefix(f"{MODEL}.")
        if option == dimension.name:
            usual = getattr(recipe, option, None)
        else:
            if (reason := refusal(load_model(model), {option: None})) is not None:
                raise ConfigurationError(f"space: {dimension.name}: {model} {reason}")
            taken = {each.name: each.default for each in model_options(model) or ()}
            usual = options.get(option, taken.get(option))
        fitted.append(dimension.as_floats() if isinstance(usual, float) else dimension)
        for value in fitted[-1].extremes():
            source = f"space: {dimension.name} = {shown(value)}"
            if option == dimension.name:
                _check_setting(space, recipe, {option: value}, source)
                continue
            maker = functools.partial(create_model, model, **{**options, option: value})
            try:
                check_written_options(model, {option: value})
                seeded_model(maker, 0)
            except FmnistlabError as error:
                raise ConfigurationError(f"{source}: {error}") from error
    return Space(tuple(fitted))


def _check_setting(space: Space, recipe: Recipe, setting: Mapping[str, Any], source: str) -> None:
    """Refuses a value that is impossible by itself and beside what else the space has.

    Raises:
        ConfigurationError: likewise.
    """
    try:
        changed_recipe(recipe, setting, source)
    except ConfigurationError:
        others = [o for o in space.dimensions if not o.name.startswith(f"{MODEL}.")]
        names = [other.name for other in others if other.name not in setting]
        values = (other.extremes() for other in others if other.name not in setting)
        for together in itertools.islice(itertools.product(*values), _MOST_COMBINATIONS):
            with contextlib.suppress(ConfigurationError):
                changed_recipe(recipe, {**dict(zip(names, together, strict=True)), **setting}, "")
                return
        raise


def _dimensions(space: Mapping[str, Any], source: str) -> Iterator[Dimension]:
    for name, content in space.items():
        if name == MODEL and isinstance(content, Mapping) and not {*content} & {*_KEYS}:
            for option, inner in content.items():
                yield _dimension(f"{MODEL}.{option}", inner, source)
        else:
            yield _dimension(name, content, source)


def _dimension(name: str, content: object, source: str) -> Dimension:
    where = f"{source}: {name}"
    if not isinstance(content, Mapping):
        raise ConfigurationError(
            f"{where}: is {shown(content)}; say what it may be: low and high, or choices."
        )
    for key in content:
        if key not in _KEYS:
            near = suggestion(str(key), _KEYS)
            raise ConfigurationError(
                f"{where}: has no key {shown(key)}.{near} Use low and high, also with log or step, "
                "or choices."
            )
    if "choices" in content:
        if len(content) > 1:
            raise ConfigurationError(f"{where}: has choices and more; give choices alone.")
        return Dimension(name, choices=_choices(content["choices"], where))
    if not {"low", "high"} <= {*content}:
        raise ConfigurationError(f"{where}: needs low and high, or choices.")
    return _range(name, content, where)


def _choices(values: object, where: str) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple) or not 0 < len(values) <= _MOST_CHOICES:
        raise ConfigurationError(
            f"{where}: choices is {shown(values)}; use a list of 1 to {_MOST_CHOICES:,} values."
        )
    texts = []
    for value in values:
        try:
            texts.append(json_text(value))
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigurationError(
                f"{where}: {shown(value)} cannot be written to a file; use values of JSON."
            ) from error
    for text in texts:
        if texts.count(text) > 1:
            raise ConfigurationError(f"{where}: {text} is there twice; give it once.")
    return tuple(values)


def _range(name: str, content: Mapping[str, Any], where: str) -> Dimension:
    with spoken({}):
        try:
            low, high = (number(key, content[key]) for key in ("low", "high"))
            step = content.get("step")
            step = None if step is None else number("step", step, above=0)
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error}") from error
    log = content.get("log", False)
    if not isinstance(log, bool):
        raise ConfigurationError(f"{where}: log is {shown(log)}; use true or false.")
    if not low < high:
        raise ConfigurationError(f"{where}: low is {low:g} and high is {high:g}; low must be less.")
    if log and low <= 0:
        raise ConfigurationError(f"{where}: low is {low:g}; with log it must be above 0.")
    if log and step is not None:
        raise ConfigurationError(f"{where}: has log and step; give one of them.")
    if step is not None and (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)):
        raise ConfigurationError(f"{where}: from low to high are no whole steps of {step:g}.")
    given = [value for key in ("low", "high", "step") if (value := content.get(key)) is not None]
    if all(isinstance(value, int) for value in given):
        if max(abs(low), abs(high)) > _LARGEST_WHOLE:
            raise ConfigurationError(f"{where}: is too wide; use numbers up to 2**53.")
        whole = None if step is None else int(step)
        return Dimension(name, low=int(low), high=int(high), log=log, step=whole)
    if not math.isfinite(high - low):
        raise ConfigurationError(f"{where}: is too wide; the difference is no finite number.")
    return Dimension(name, low=low, high=high, log=log, step=step)
