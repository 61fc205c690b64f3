"""Whether a value that was written as text has the type that an option of a model is said to have.

Only words of a command line, or of a file, are held against annotations: Python itself does not,
and code may know better. Nothing is refused where the type has no such word, as a class.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from fmnistlab.errors import ModelOptionError
from fmnistlab.foundation.checks import shown
from fmnistlab.models.options import options_of
from fmnistlab.models.registry import load_model

_KINDS: Final[Mapping[object, tuple[type, ...]]] = {
    bool: (bool,),
    int: (int,),
    float: (int, float),
    str: (str,),
    None: (type(None),),
    types.NoneType: (type(None),),
    dict: (dict,),
    Mapping: (dict,),
}
_ROWS: Final = (list, tuple, set, frozenset, Sequence, Iterable, Collection)


def check_written_options(model: str, options: Mapping[str, Any]) -> None:
    """Refuses a value that was written as text and is not of the type that an option has.

    Args:
        model: name of a model, as for `create_model`.
        options: values of JSON, by name.

    Raises:
        ModelOptionError: there is one.
        UnknownModelError, ModelNameClashError, ModelLoadError: as of `load_model`.
    """
    if options and (wrong := misfit(load_model(model), options)) is not None:
        raise ModelOptionError(f"Model {model!r} {wrong}.")


def misfit(factory: Callable[..., Any], options: Mapping[str, Any]) -> str | None:
    """Returns what is wrong with the first option whose value has another type; None if none has.

    Args:
        factory: class or function that makes a model.
        options: values of JSON, by name.
    """
    try:
        parameters = inspect.signature(factory, eval_str=True).parameters
    except Exception:  # noqa: BLE001 - no signature, or annotations that only a type checker knows
        return None
    kinds = {option.name: option.kind for option in options_of(factory) or ()}
    for name, value in options.items():
        if name not in kinds or _same(value, parameters[name].default):
            continue
        if not _fits(value, parameters[name].annotation):
            return f"is given {name}={shown(value)}, but {name} is {_told(kinds[name])}"
    return None


def _fits(value: object, annotation: Any) -> bool:
    kind, inner = get_origin(annotation) or annotation, get_args(annotation)
    if kind is Literal:
        fits = any(_same(value, each) for each in inner)
    elif kind in (Union, types.UnionType):
        fits = any(_fits(value, each) for each in inner)
    elif kind is Annotated:
        fits = _fits(value, inner[0])
    elif kind in _ROWS:
        fits = isinstance(value, list | tuple) and _row_fits(value, kind, inner)
    elif isinstance(kind, Hashable) and kind in _KINDS:
        fits = isinstance(value, _KINDS[kind]) and (kind is bool or not isinstance(value, bool))
    else:
        fits = True
    return fits


def _row_fits(row: Sequence[Any], kind: object, inner: tuple[Any, ...]) -> bool:
    if kind is tuple and inner and inner[1:] != (...,):
        return len(inner) == len(row) and all(map(_fits, row, inner))
    return not inner or all(_fits(each, inner[0]) for each in row)


def _same(one: object, other: object) -> bool:
    return one == other and type(one) is type(other)  # 1 is no True


def _told(kind: str) -> str:
    return "bool: true or false" if kind == "bool" else kind
