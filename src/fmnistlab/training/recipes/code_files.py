"""The files that code in a recipe comes from, by their hashes: code may change under its name."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
from pathlib import Path
from typing import Final

from fmnistlab.training.recipes.recipe import Recipe

_DIGITS: Final = 12
_KNOWN: Final = ("builtins", "fmnistlab", "torch")


def code_hashes(recipe: Recipe) -> dict[str, str]:
    """Returns the first digits of the SHA-256 of each source file, by the module it defines.

    Of torch and of this package versions are told elsewhere; of code without a file nothing is.

    Args:
        recipe: its optimizer, loss and augmentations.
    """
    found: dict[str, str] = {}
    for setting in (recipe.optimizer, recipe.loss, *recipe.augmentation):
        thing: object = setting.func if isinstance(setting, functools.partial) else setting
        module = getattr(thing, "__module__", None) or type(thing).__module__
        if module.partition(".")[0] in _KNOWN:
            continue
        try:
            path = inspect.getsourcefile(sys.modules[module])
            content = b"" if path is None else Path(path).read_bytes()
        except (KeyError, TypeError, OSError):
            continue
        if content:
            found[f"code of {module}"] = hashlib.sha256(content).hexdigest()[:_DIGITS]
    return found
