"""What a recipe's augmentation makes of training images, as the training saw them."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
import torch

from fmnistlab.data.augmentation.protocol import augmented
from fmnistlab.data.schema import CLASS_NAMES, NUM_CLASSES, PIXEL_MAX
from fmnistlab.data.source import load_data
from fmnistlab.errors import FmnistlabError
from fmnistlab.experiments.records.config import RunConfig
from fmnistlab.reporting.sprite import Place, Sprite
from fmnistlab.shapes import UInt8

VARIANTS: Final = 7
"""Changed pictures of each image."""


@dataclasses.dataclass(frozen=True)
class Augmented:
    """Pictures of one image of each class, first as it is, then changed.

    Attributes:
        names: of the classes.
        images: uint8 (classes * (1 + VARIANTS), 28, 28).
    """

    names: tuple[str, ...]
    images: UInt8[np.ndarray, "images 28 28"]

    def rows(self, sprite: Sprite, start: int) -> list[tuple[str, list[Place]]]:
        """Keeps the pictures in a sprite that has them from row `start` on."""
        each = 1 + VARIANTS
        return [
            (name, [sprite.place(start + number * each + i) for i in range(each)])
            for number, name in enumerate(self.names)
        ]


def augmented_samples(config: RunConfig, notes: list[str]) -> Augmented | None:
    """Returns samples of a run's augmentation; None if it has none, or the data is gone.

    Args:
        config: of the run.
        notes: gets a sentence if there is something that cannot be shown.
    """
    if not config.recipe["augmentation"]:
        return None
    try:
        changes = config.make_recipe().augmentation
        train, _ = load_data(**config.data.places())
        fit, _ = train.split(config.split.valid_fraction, config.split.seed)
    except FmnistlabError as error:
        notes.append(f"The augmentation is not shown: {error}")
        return None
    labels = fit.targets.numpy()
    present = [label for label in range(NUM_CLASSES) if (labels == label).any()]
    firsts = torch.tensor([int((labels == label).argmax()) for label in present])
    plain = fit.data[firsts].unsqueeze(1).to(torch.float32) / PIXEL_MAX
    shown = [
        plain if epoch == 0 else augmented(plain, firsts, changes, seed=config.seed, epoch=epoch)
        for epoch in range(1 + VARIANTS)
    ]
    stacked = torch.stack(shown, dim=1).clamp(0, 1).mul(PIXEL_MAX).round().to(torch.uint8)
    return Augmented(
        tuple(CLASS_NAMES[label] for label in present), stacked.reshape(-1, 28, 28).numpy()
    )
