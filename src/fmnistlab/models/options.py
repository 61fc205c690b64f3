"""The options of a model: what its class or function takes, read from the signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fmnistlab.errors import suggestion
from fmnistlab.foundation.checks import shown


class ModelOption(NamedTuple):
    """One option of a model.

    Attributes:
        name: the keyword.
        kind: its annotation as text; "" if it has none.
        required: whether it has no default.
        default: its default; None also if it has none.
    """

    name: str
    kind: str
    required: bool
    default: Any


def options_of(factory: Callable[..., Any]) -> tuple[ModelOption, ...] | None:
    """Returns the options that a class or function takes; None if that cannot be told.

    It cannot where any keyword is taken, as by `**options`, or where there is no signature.
    """
    try:
        parameters = inspect.signature(factory).parameters.values()
    except Exception:  # noqa: BLE001 - written in another language, or a stranger's __signature__
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return tuple(
        ModelOption(
            parameter.name,
            _annotation(parameter.annotation),
            parameter.default is parameter.empty,
            None if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    )


def refusal(factory: Callable[..., Any], options: Mapping[str, Any]) -> str | None:
    """Returns what is wrong if a class or function does not take an option; None if not so."""
    taken = options_of(factory)
    if taken is None:
        return None
    names = [option.name for option in taken]
    unknown = next((name for name in options if name not in names), None)
    if unknown is None:
        return None
    told = f"its options are {', '.join(names)}." if names else "it takes none."
    return f"takes no option {shown(unknown)}; {told}{suggestion(unknown, names)}"


def lacking(factory: Callable[..., Any], options: Mapping[str, Any]) -> list[str]:
    """Returns the options that have to be given to a class or function, and are not."""
    taken = options_of(factory) or ()
    return [option.name for option in taken if option.required and option.name not in options]


def _annotation(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
