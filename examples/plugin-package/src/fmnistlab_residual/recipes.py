"""The recipe `residual-hour`: less than an hour on one core of a processor with AVX-512.

With ``precision="bfloat16"`` it is half of that on a processor with AMX, and more on an old one.
"""

from __future__ import annotations

from fmnistlab import Recipe
from fmnistlab.data import HorizontalFlip, RandomShift

HOUR = Recipe(
    epochs=40,
    batch_size=128,
    optimizer="sgd",
    momentum=0.9,
    nesterov=True,
    learning_rate=0.2,
    weight_decay=5e-4,
    schedule="one_cycle",
    label_smoothing=0.1,
    augmentation=(HorizontalFlip(), RandomShift(2)),
)
