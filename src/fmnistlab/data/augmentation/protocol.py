"""What an augmentation is, and how a batch of images is changed by several of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, TypeGuard, runtime_checkable

import torch
from torch import Tensor

from fmnistlab import seeding
from fmnistlab.shapes import Float, Int64

_ALL_EPOCHS = 0
"""Stands for the epoch where numbers belong to none; epochs count from 1."""


@runtime_checkable
class Augmentation(Protocol):
    """What `Recipe.augmentation` takes: any object with these two parts.

    A class may say `across_epochs = True` besides. The numbers of an image are then the same in
    every epoch, and the call takes the number of the epoch, from 1, as a third argument.

    Attributes:
        draws: how many uniform numbers one image needs.
    """

    draws: ClassVar[int]

    def __call__(
        self, images: Float[Tensor, "batch 1 28 28"], uniform: Float[Tensor, "batch draws"]
    ) -> Float[Tensor, "batch 1 28 28"]:
        """Returns changed images; `uniform` holds numbers in [0, 1), `draws` for each image."""
        ...


class AcrossEpochs(Augmentation, Protocol):
    """An augmentation that changes an image by one plan for all epochs.

    Attributes:
        across_epochs: True.
    """

    across_epochs: ClassVar[bool]

    def __call__(
        self,
        images: Float[Tensor, "batch 1 28 28"],
        uniform: Float[Tensor, "batch draws"],
        epoch: int = 1,
    ) -> Float[Tensor, "batch 1 28 28"]:
        """Returns changed images; `uniform` holds the same numbers in every epoch."""
        ...


def is_across_epochs(augmentation: Augmentation) -> TypeGuard[AcrossEpochs]:
    """Returns whether an augmentation has one plan for all epochs."""
    return getattr(augmentation, "across_epochs", False) is True


def augmented(
    images: Float[Tensor, "batch 1 28 28"],
    item: Int64[Tensor, "batch"],
    augmentations: Sequence[Augmentation],
    *,
    seed: int,
    epoch: int,
) -> Float[Tensor, "batch 1 28 28"]:
    """Returns images as the training sees them in an epoch; the given ones are not changed.

    Args:
        images: float32.
        item: indices of the images in their data set, int64, on the same device.
        augmentations: applied one after the other, each with numbers of its own.
        seed: of the training.
        epoch: number of the epoch, from 1.
    """
    uniform: dict[int, Tensor] = {}
    for across, of in ((False, epoch), (True, _ALL_EPOCHS)):
        places = [n for n, change in enumerate(augmentations) if is_across_epochs(change) is across]
        if places:
            draws = [augmentations[place].draws for place in places]
            drawn = seeding.uniform(sum(draws), item, seed=seed, epoch=of)
            uniform |= zip(places, torch.split(drawn, draws, 1), strict=True)
    for place, change in enumerate(augmentations):
        images = applied(change, images, uniform[place], epoch)
    return images


def applied(change: Augmentation, images: Tensor, uniform: Tensor, epoch: int) -> Any:
    """Returns what one augmentation makes of images in an epoch: images, if it is as it should."""
    return change(images, uniform, epoch) if is_across_epochs(change) else change(images, uniform)
