"""torch's compiler: not imported for optimizers and recordings while nothing is compiled.

torch keeps its compiler off some methods, such as those of optimizers. The first call of such a
method imports the compiler, which takes a second, only to have it look away. A compiler that is not
imported looks at nothing, so until then the method may as well be called as it is.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

COMPILER: Final = "torch._dynamo"
"""The module that is slow to import."""

_INSTEAD: Final = "__dynamo_disable"
"""Attribute of a function: what torch calls in its place. If there is none, torch imports the
compiler to make one."""


@contextlib.contextmanager
def compiler_left_out(*methods: Callable[..., Any]) -> Iterator[None]:
    """Within the block, these methods of torch do not import its compiler.

    Once the compiler is imported, whoever did it, they are called as torch always calls them, and
    after the block nothing is left of this. A torch that goes about it in another way imports its
    compiler as ever.

    Args:
        methods: as their class has them, with the function that torch wrapped in `__wrapped__`.
    """
    lent = []
    for method in methods:
        function = getattr(method, "__wrapped__", None)
        known = inspect.isfunction(function) and not hasattr(function, _INSTEAD)
        if known and COMPILER not in sys.modules:
            as_it_is = _until_imported(method, function)
            setattr(function, _INSTEAD, as_it_is)
            lent.append((function, as_it_is))
    try:
        yield
    finally:
        for function, as_it_is in lent:
            if getattr(function, _INSTEAD, None) is as_it_is:
                vars(function).pop(_INSTEAD, None)  # another thread may have been quicker


def _until_imported(method: Callable[..., Any], function: Any) -> Callable[..., Any]:
    """Returns what calls the function as it is or, once the compiler is imported, as torch does."""

    def call(*arguments: Any, **options: Any) -> Any:
        if COMPILER not in sys.modules:
            return function(*arguments, **options)
        vars(function).pop(_INSTEAD, None)
        return method(*arguments, **options)

    return call
