"""The recipes that are built in; `registry` has their names."""

from __future__ import annotations

from typing import Final

from fmnistlab.training.recipes.recipe import Recipe

CLASSIC: Final = Recipe()
"""The tutorial's: 10 epochs, batches of 32, cross-entropy, Adam with torch's defaults."""
