"""fmnistlab: the Fashion-MNIST laboratory.

The public names below are imported when they are first used (PEP 562), so that importing the
package stays light; torch is only loaded once something needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from fmnistlab.version import __version__

if TYPE_CHECKING:
    from fmnistlab import errors as errors
    from fmnistlab import testing as testing
    from fmnistlab.data.dataset import FashionMNISTCSV as FashionMNISTCSV
    from fmnistlab.errors import FmnistlabError as FmnistlabError
    from fmnistlab.models.registry import create_model as create_model
    from fmnistlab.models.registry import list_models as list_models
    from fmnistlab.models.registry import load_model as load_model
    from fmnistlab.models.registry import register_model as register_model
    from fmnistlab.models.summary import summary as summary
    from fmnistlab.training import callbacks as callbacks
    from fmnistlab.training import recipes as recipes
    from fmnistlab.training.recipe import OptimizerName as OptimizerName
    from fmnistlab.training.recipe import Recipe as Recipe
    from fmnistlab.training.recipe import ScheduleName as ScheduleName
    from fmnistlab.training.seeds import fit_seeds as fit_seeds
    from fmnistlab.training.trainer import Trainer as Trainer

_HOMES = {
    "FashionMNISTCSV": "fmnistlab.data.dataset",
    "FmnistlabError": "fmnistlab.errors",
    "OptimizerName": "fmnistlab.training.recipe",
    "Recipe": "fmnistlab.training.recipe",
    "ScheduleName": "fmnistlab.training.recipe",
    "Trainer": "fmnistlab.training.trainer",
    "callbacks": "fmnistlab.training",
    "create_model": "fmnistlab.models.registry",
    "errors": "fmnistlab",
    "fit_seeds": "fmnistlab.training.seeds",
    "list_models": "fmnistlab.models.registry",
    "load_model": "fmnistlab.models.registry",
    "recipes": "fmnistlab.training",
    "register_model": "fmnistlab.models.registry",
    "summary": "fmnistlab.models.summary",
    "testing": "fmnistlab",
}
_MODULES = ("callbacks", "errors", "recipes", "testing")

__all__ = [
    "FashionMNISTCSV",
    "FmnistlabError",
    "OptimizerName",
    "Recipe",
    "ScheduleName",
    "Trainer",
    "__version__",
    "callbacks",
    "create_model",
    "errors",
    "fit_seeds",
    "list_models",
    "load_model",
    "recipes",
    "register_model",
    "summary",
    "testing",
]


if not TYPE_CHECKING:  # a type checker would take every name for one of the package

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'fmnistlab' has no attribute {name!r}")
        if name in _MODULES:
            return importlib.import_module(f"{home}.{name}")
        return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
