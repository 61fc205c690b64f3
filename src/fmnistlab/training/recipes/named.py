"""The recipes that are built in; `registry` has their names, docs/accuracy.md what they reach.

All but the tutorial's were chosen on validation data, by scripts/choose_recipes.py.
"""

from __future__ import annotations

from typing import Final

from fmnistlab.data.augmentation.flips import HorizontalFlip
from fmnistlab.data.augmentation.shift import RandomShift
from fmnistlab.training.recipes.recipe import Recipe

CLASSIC: Final = Recipe()
"""The tutorial's: 10 epochs, batches of 32, cross-entropy, Adam with torch's defaults."""

FAST: Final = Recipe(
    epochs=4,
    batch_size=128,
    learning_rate=2e-2,
    schedule="linear",
    warmup_epochs=0.25,
    label_smoothing=0.1,
)
"""For the CNN: the accuracy of the classic recipe in the shortest time."""

BALANCED: Final = Recipe(
    optimizer="adamw",
    learning_rate=5e-3,
    weight_decay=0.05,
    schedule="linear",
    warmup_epochs=1.0,
)
"""As many epochs as the classic recipe has, and the best that was found for them."""

BEST: Final = Recipe(
    epochs=60,
    batch_size=64,
    optimizer="adamw",
    learning_rate=1e-2,
    weight_decay=0.05,
    schedule="one_cycle",
    augmentation=(HorizontalFlip(), RandomShift(1)),
)
"""For the CNN: the best that was found at any length."""
