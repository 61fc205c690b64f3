"""Holds the calls in the tests to the annotations of the package, shapes of arrays included.

The functions of modules and classes and the `__init__` of dataclasses are wrapped when a module is
imported: by beartype, and where an annotation has a shape by jaxtyping too, so that sizes of one
name are equal. jaxtyping's own hook would check arguments twice and bind each signature in Python:
with it, tests that mostly run the package's own code take half as long again.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import sys
import types
import typing
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

PACKAGE = "fmnistlab"

_decorated = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a fine float (PEP 484)


class _Switch:
    on = True


def install() -> None:
    """Has all modules of the package checked that are imported from now on."""
    assert PACKAGE not in sys.modules, "the package was imported before its checker"
    sys.meta_path.insert(0, _Finder())


def switch(*, on: bool) -> None:
    """Sets whether calls are checked; off is as for users, who have no checker."""
    _Switch.on = on


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that checks its arguments and its result."""
    hints = _hints(function)
    if not hints:
        return function
    written, function.__annotations__ = function.__annotations__, hints
    strict = _decorated(function)
    function.__annotations__ = written
    if any(map(_has_shape, hints.values())):
        strict = jaxtyping.jaxtyped(strict, typechecker=None)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return (strict if _Switch.on else function)(*args, **kwargs)

    return call


def checked_class(cls: Any) -> Any:
    """Has a dataclass check what it is made of, unless it may make something else of it."""
    own = vars(cls)
    if "__dataclass_fields__" in own and "__init__" in own and "__post_init__" not in own:
        cls.__init__ = checked(cls.__init__)
    return cls


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Returns annotations by name, but those that only type checkers understand."""
    found: dict[str, Any] = {}
    for name, annotation in function.__annotations__.items():
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found |= typing.get_type_hints(alone, function.__globals__, include_extras=True)
        except (NameError, TypeError, AttributeError):
            continue  # a name is not imported, not to be subscripted or not there at run time
    return found


def _has_shape(hint: Any) -> bool:
    is_array = isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)
    return is_array or any(map(_has_shape, typing.get_args(hint)))


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> types.CodeType:
        """Compiles anew each time: code with the decorators must not be taken for the package's."""
        tree = ast.parse(self.get_data(self.path), self.path)
        _decorate(tree)
        code = compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)
        assert isinstance(code, types.CodeType)
        return code

    def exec_module(self, module: types.ModuleType) -> None:
        vars(module).update(__checked__=checked, __checked_class__=checked_class)
        super().exec_module(module)


def _decorate(parent: ast.Module | ast.ClassDef) -> None:
    """Adds the innermost decorator to functions, and to classes the outermost."""
    for node in parent.body:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list.append(_name("__checked__", node))
        elif isinstance(node, ast.ClassDef):
            node.decorator_list.insert(0, _name("__checked_class__", node))
            _decorate(node)


def _name(name: str, place: ast.stmt) -> ast.expr:
    return ast.copy_location(ast.Name(name, ast.Load()), place)
