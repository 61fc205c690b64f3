"""Models whose code is named outright, and what such code may not be."""

from __future__ import annotations

import sys
from typing import Any

from fmnistlab.errors import ModelLoadError
from fmnistlab.plugins.code import NamedCode, load_code
from fmnistlab.plugins.offers import Kind


def load_model_code(kind: Kind, name: str) -> NamedCode:
    """Runs a file, or imports a module, and returns what it says is to build a model.

    Args:
        kind: that of models.
        name: "file.py:attribute" or "module:attribute".

    Raises:
        UnknownModelError, ModelLoadError: as of `load_code`; or it cannot build a model.
    """
    code = load_code(kind, name)
    _check_factory(name, code.found)
    return code


def _check_factory(name: str, factory: object) -> None:
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(factory, torch.nn.Module):
        raise ModelLoadError(
            f"Model {name!r} is a {type(factory).__name__} that is made already, so no seed can "
            "determine its weights. Name its class, or a function that returns a new one."
        )
    if not callable(factory):
        raise ModelLoadError(
            f"Model {name!r} is an object of type {type(factory).__name__}, not a class or "
            "function that builds a torch.nn.Module."
        )
