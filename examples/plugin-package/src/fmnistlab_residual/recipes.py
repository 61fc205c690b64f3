"""The recipe `residual-hour`: less than an hour on one core of a processor with AMX.

With ``precision="float32"`` it takes twice as long there; that is the faster way, by far, on a
processor that does not compute with bfloat16 itself: about five hours on an AMD EPYC of family 25.
"""

from __future__ import annotations

from fmnistlab import Recipe
from fmnistlab.data import HorizontalFlip, RandomErasing, RandomShift

HOUR = Recipe(
    epochs=70,
    batch_size=128,
    optimizer="sgd",
    momentum=0.9,
    nesterov=True,
    learning_rate=0.2,
    weight_decay=5e-4,
    schedule="one_cycle",
    precision="bfloat16",
    label_smoothing=0.1,
    augmentation=(HorizontalFlip(), RandomShift(2), RandomErasing()),
)
