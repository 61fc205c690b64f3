"""The recipe `mlp-decay`, one that suits the model."""

from __future__ import annotations

from fmnistlab import Recipe

DECAY = Recipe(optimizer="adamw", weight_decay=0.1, learning_rate=3e-3, schedule="one_cycle")
