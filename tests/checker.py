"""Run-time checks that hold every call in the tests to its annotations, at a bearable price.

jaxtyping's import hook decorates every function of the package. What jaxtyping does for shapes, to
bind the arguments of each call and to remember the sizes of its dimensions, takes a multiple of the
time of most functions; it is left to those that have a shape in their annotations. beartype alone
checks the others, and keeps what it generated for a function that is defined again and again inside
another one.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable
from typing import Any, Final

import jaxtyping
from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a fine float (PEP 484)

_SHAPES: Final = ("Bool[", "Float[", "Int64[", "Shaped[", "UInt8[")
_CHECKED: Final = "__beartype_func"
"""The keyword under which a function that beartype generated knows the one that it checks."""

_with_shapes: Final = jaxtyping.jaxtyped
_kept: Final[dict[types.CodeType, types.FunctionType]] = {}


def install() -> None:
    """Checks every annotated function of the package; must come before its first import."""
    jaxtyping.jaxtyped = functools.partial(
        functools.partial, _checked
    )  # which is what the hook writes in front of functions
    jaxtyping.install_import_hook("fmnistlab", "tests.checker.check")


def _checked(function: Any, *, typechecker: Any) -> Any:
    """Returns a function that checks its calls; classes and descriptors are jaxtyping's."""
    if not isinstance(function, types.FunctionType) or _has_shapes(function):
        return _with_shapes(function, typechecker=typechecker)
    if "<locals>" not in function.__qualname__:
        return check(_resolved(function))
    like = _kept.get(function.__code__)
    if like is None:
        like = _kept[function.__code__] = check(_resolved(function))
        return like
    return _again(like, function)


def _has_shapes(function: types.FunctionType) -> bool:
    return any(
        shape in str(hint) for hint in function.__annotations__.values() for shape in _SHAPES
    )


def _resolved(function: types.FunctionType) -> types.FunctionType:
    """Puts types in the place of their names; what cannot be found now may be anything."""
    for name, hint in function.__annotations__.items():
        alone = types.SimpleNamespace(__annotations__={name: hint})
        try:
            found = typing.get_type_hints(alone, function.__globals__, include_extras=True)[name]
        except Exception:  # noqa: BLE001 - as jaxtyping does
            found = Any
        function.__annotations__[name] = found
    return function


def _again(like: Callable[..., Any], function: types.FunctionType) -> Callable[..., Any]:
    """Returns for a new function of the same code what was generated for an earlier one."""
    if like.__code__ is function.__code__:  # it has nothing to check
        return function
    again = types.FunctionType(
        like.__code__, like.__globals__, like.__name__, like.__defaults__, like.__closure__
    )
    functools.update_wrapper(again, function)
    again.__kwdefaults__ = {**like.__kwdefaults__, _CHECKED: function}
    assert _CHECKED in like.__kwdefaults__, "beartype calls it otherwise now"
    return again
