"""The picture of augmentations shows what a training sees."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from tests.plots.drawings import pictures, unchecked
from torch import Tensor
from torch.utils.data import TensorDataset

from fmnistlab import plots
from fmnistlab.data import AlternatingFlip, Augmentation, HorizontalFlip, RandomAffine, RandomShift
from fmnistlab.data.batches import batch_source
from fmnistlab.errors import ConfigurationError


class Random:
    """No pure function."""

    draws: ClassVar[int] = 0

    def __call__(self, images: Tensor, uniform: Tensor) -> Tensor:
        return images * torch.rand(())


def seen(images: Tensor, change: Augmentation, epoch: int, seed: int) -> Tensor:
    """The images as a training sees them, in their own order."""
    data = TensorDataset(images.unsqueeze(1), torch.arange(len(images)))
    cpu = torch.device("cpu")
    source = batch_source(data, device=cpu, batch_size=2, seed=seed, augmentation=[change])
    batches = list(source.training_batches(epoch))
    order = torch.cat([batch.labels for batch in batches]).argsort()
    return torch.cat([batch.images for batch in batches])[order]


@pytest.mark.parametrize("seed", [0, 5])
def test_each_column_is_what_a_training_sees_in_that_epoch(seed: int) -> None:
    images, changes = pictures(3), [AlternatingFlip(), RandomShift(), RandomAffine()]
    (axes,) = plots.plot_augmentation(images, changes, 4, seed=seed).axes
    mosaic: Any = axes.images[0].get_array()
    labels = axes.get_xticklabels()
    heads = [(tick.get_text(), x) for tick, x in zip(labels, axes.get_xticks(), strict=True)]
    assert [head for head, _ in heads] == ["original", *(f"epoch {n}" for n in range(1, 5))]
    names = [tick.get_text().split("\n")[0] for tick in axes.get_yticklabels()]
    assert names == ["AlternatingFlip", "RandomShift", "RandomAffine"]
    for change, middle in zip(changes, axes.get_yticks(), strict=True):
        for epoch, (_, x) in enumerate(heads):
            expected = seen(images, change, epoch, seed) if epoch else images.unsqueeze(1) / 255
            for row in range(3):
                top, left = round(middle - 13.5 + 30 * (row - 1)), round(x - 13.5)
                shown = np.asarray(mosaic[top : top + 28, left : left + 28])
                assert np.array_equal(shown, expected[row, 0].numpy())


WRONG: list[tuple[Any, str]] = [
    (lambda draw: draw(pictures(2), []), "there is nothing to draw"),
    (lambda draw: draw(pictures(2)[:0], [HorizontalFlip()]), "there is nothing to draw"),
    (lambda draw: draw(pictures(2), [HorizontalFlip()], 0), "epochs is 0; use a whole number"),
    (lambda draw: draw(pictures(2), [HorizontalFlip()], 21), "from 1 to 20"),
    (lambda draw: draw(pictures(2), [HorizontalFlip()], seed=-1), "seed is -1"),
    (lambda draw: draw(pictures(2), [Random()]), "The augmentation Random makes of the same"),
    (lambda draw: draw(pictures(2)[0], [HorizontalFlip()]), "must have the shape"),
]


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize(("call", "said"), WRONG)
def test_what_cannot_be_drawn_is_refused(call: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        call(unchecked(plots.plot_augmentation))
