"""The recipe `residual-hour`: the best that an hour on two processor cores was found to give."""

from __future__ import annotations

from fmnistlab import Recipe
from fmnistlab.data import HorizontalFlip, RandomShift

HOUR = Recipe(
    epochs=40,
    batch_size=128,
    optimizer="sgd",
    momentum=0.9,
    learning_rate=0.2,
    weight_decay=5e-4,
    schedule="one_cycle",
    label_smoothing=0.1,
    augmentation=(HorizontalFlip(), RandomShift(2)),
)
