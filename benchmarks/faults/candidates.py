"""Who takes part. Only names stand here; what a candidate needs is imported in its own process."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any, NamedTuple


class Candidate(NamedTuple):
    """A peer, used in one way.

    Attributes:
        peer: its name in the table.
        way: how it is used, since many have several ways.
        place: "module:class" below this package.
        packages: what must be installed, by import name.
        options: given to the class.
        variables: environment variables of its process.
    """

    peer: str
    way: str
    place: str
    packages: tuple[str, ...] = ()
    options: Mapping[str, Any] = {}
    variables: Mapping[str, str] = {}

    def missing(self) -> list[str]:
        """Returns the packages that are not installed."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]

    def kind(self) -> type[Any]:
        """Imports the class."""
        module, _, attribute = self.place.partition(":")
        kind: type[Any] = getattr(importlib.import_module(f"benchmarks.faults.{module}"), attribute)
        return kind


KERAS = {"KERAS_BACKEND": "torch"}
"""Keras runs on torch here."""
