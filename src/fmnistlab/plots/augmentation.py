"""What augmentations make of a few images, epoch by epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch

from fmnistlab.data.augmentation.check import check_augmentations
from fmnistlab.data.augmentation.protocol import Augmentation, augmented
from fmnistlab.data.schema import IMAGE_SIZE
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import whole_number
from fmnistlab.plots.figures import DPI, FigureT
from fmnistlab.plots.grid import Sheet
from fmnistlab.plots.style import INK, SMALL, Images, brightness, show_image
from fmnistlab.plots.words import LITERAL, Ruler
from fmnistlab.seeding import checked_seed

_INCH: Final = DPI / 3
"""Pixels of images in an inch."""
_GUTTER: Final = 2
"""Pixels of white between two images."""
_BAND: Final = 8
"""Pixels of white between two augmentations, and beside the originals."""
_NAMES_WIDTH: Final = 1.5
_ABOVE: Final = 0.2
_LINE: Final = 0.15
_MOST_EPOCHS: Final = 20


def plot_augmentation(
    images: Images,
    augmentations: Sequence[Augmentation],
    epochs: int = 6,
    *,
    seed: int = 0,
    title: str = "",
    figure: FigureT | None = None,
) -> FigureT:
    """Draws images as a training sees them in its first epochs, for each augmentation on its own.

    A line of pictures for each augmentation and image: the original, then the epochs. They are
    those of a training with this seed and no other augmentation, of a data set that begins with
    these images.

    Args:
        images: uint8 0..255 or floats 0..1, shape (rows, 28, 28) or (rows, 1, 28, 28); a few.
        augmentations: such as `recipe.augmentation`.
        epochs: how many are shown, 1 to 20.
        seed: of the training, 0 to 2**63 - 1.
        title: above them all.
        figure: an empty figure or subfigure to draw on; None for a new figure of fitting size.

    Returns:
        The figure with one axes that holds the whole as one image.

    Raises:
        ConfigurationError: there are no images or no augmentations, images are of another shape or
            range, a number is out of range, or an augmentation is no pure function.
        MissingExtraError: matplotlib is not installed.
    """
    epochs = whole_number("epochs", epochs, most=_MOST_EPOCHS)
    seed = checked_seed(seed)
    originals = torch.from_numpy(brightness(images)).unsqueeze(1)
    if not len(originals) or not len(augmentations):
        raise ConfigurationError("there is nothing to draw: give images and augmentations.")
    check_augmentations(augmentations, originals, seed)
    item = torch.arange(len(originals))
    bands = []
    for change in augmentations:
        seen = [
            augmented(originals, item, [change], seed=seed, epoch=epoch + 1)
            for epoch in range(epochs)
        ]
        bands.append(torch.stack([originals, *seen])[:, :, 0].numpy())
    tops, lefts = _places(len(originals), len(bands), epochs)
    mosaic = np.full((tops[-1, -1] + IMAGE_SIZE, lefts[-1] + IMAGE_SIZE), np.nan, np.float32)
    for band, rows in zip(bands, tops, strict=True):
        for column, left in zip(band, lefts, strict=True):
            for image, top in zip(column, rows, strict=True):
                mosaic[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE] = image
    height, width = (side / _INCH for side in mosaic.shape)
    sheet = Sheet(1, 1, width, _ABOVE + height, left=_NAMES_WIDTH, title=title)
    grid = sheet.on(figure)
    axes = grid.axes(0, left=0.0, top=_ABOVE, width=width, height=height)
    show_image(axes, mosaic)
    ruler, middle = Ruler(SMALL), (IMAGE_SIZE - 1) / 2
    lines = int(len(originals) * IMAGE_SIZE / _INCH / _LINE)
    names = [ruler.fit(_name(change), _NAMES_WIDTH - 0.1, lines) for change in augmentations]
    look = {"fontsize": SMALL * grid.scale, "color": INK, **LITERAL}
    axes.set_yticks(tops.mean(axis=1) + middle, names, **look)
    heads = ["original", *(f"epoch {epoch + 1}" for epoch in range(epochs))]
    axes.set_xticks(lefts + middle, heads, **look)
    axes.tick_params(length=0, pad=4 * grid.scale, top=False, labeltop=True, labelbottom=False)
    return grid.figure


def _places(images: int, bands: int, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns where images begin: rows of pixels (bands, images), columns (1 + epochs,)."""
    step = IMAGE_SIZE + _GUTTER
    tall = images * step - _GUTTER + _BAND
    tops = np.arange(bands)[:, None] * tall + np.arange(images) * step
    lefts = np.arange(epochs + 1) * step
    lefts[1:] += _BAND - _GUTTER
    return tops, lefts


def _name(change: Augmentation) -> str:
    """Returns an augmentation's name, and in a line for each its settings, if they are known."""
    kind: Any = type(change)
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    settings = [f"{field.name}={getattr(change, field.name)}" for field in fields]
    return "\n".join([kind.__name__, *settings])
