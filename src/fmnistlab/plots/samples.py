"""Sheets of images: any images, and the overview of the ten classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from fmnistlab.data.schema import CLASS_NAMES, IMAGE_SIZE
from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.grid import Sheet
from fmnistlab.plots.style import (
    DPI,
    INK,
    MEDIUM,
    SMALL,
    Images,
    Labels,
    brightness,
    label_array,
    show_image,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE: Final = 6 * IMAGE_SIZE / DPI
_SMALL_SIDE: Final = 4 * IMAGE_SIZE / DPI
_GAP: Final = 0.2
_GUTTER: Final = 2
"""Pixels of white between the images of the overview."""


def plot_images(
    images: Images,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 6,
    heading: str = "",
    figure: Figure | None = None,
) -> Figure:
    """Draws images side by side, bright cloth on black as the data has them.

    Args:
        images: uint8 0..255 or floats 0..1, shape (rows, 28, 28) or (rows, 1, 28, 28).
        titles: a short text above each image, such as its class; at most about 16 characters
            to a line have room.
        columns: images in a row.
        heading: one line above them all.
        figure: an empty figure to draw on; None for a new one of fitting size.

    Returns:
        The figure, with one axes for each image, in order.

    Raises:
        ConfigurationError: there are no images, or not one title for each, or the images are of
            another shape or range.
        MissingExtraError: matplotlib is not installed.
    """
    pictures = brightness(images)
    if titles is not None and len(titles) != len(pictures):
        raise ConfigurationError(f"{len(pictures)} images need as many titles, not {len(titles)}.")
    lines = max((title.count("\n") + 1 for title in titles), default=0) if titles else 0
    above = 0.17 * lines
    sheet = Sheet(len(pictures), columns, _SIDE, _SIDE + above, gap=_GAP, heading=heading)
    figure = sheet.figure(figure)
    for cell, picture in enumerate(pictures):
        axes = sheet.axes(figure, cell, left=0.0, top=above, width=_SIDE, height=_SIDE)
        show_image(axes, picture)
        if titles is not None:
            axes.set_title(titles[cell], fontsize=SMALL, color=INK, pad=3)
    return figure


def plot_samples(
    images: Images,
    labels: Labels,
    per_class: int = 10,
    *,
    heading: str = "",
    figure: Figure | None = None,
) -> Figure:
    """Draws the first images of each class, one class to a line with its name.

    Args:
        images: uint8 0..255 or floats 0..1, shape (rows, 28, 28) or (rows, 1, 28, 28).
        labels: the class of each image, 0 to 9, shape (rows,).
        per_class: images to show of each class; a class that has fewer leaves room.
        heading: one line above them all.
        figure: an empty figure to draw on; None for a new one of fitting size.

    Returns:
        The figure, with one axes that holds the whole as one image.

    Raises:
        ConfigurationError: `per_class` is below 1, or images or labels are of another shape or
            range.
        MissingExtraError: matplotlib is not installed.
    """
    if per_class < 1:
        raise ConfigurationError(f"per_class must be at least 1, not {per_class}.")
    classes = label_array(labels, len(images))
    rows = [np.flatnonzero(classes == label)[:per_class] for label in range(len(CLASS_NAMES))]
    step = IMAGE_SIZE + _GUTTER
    # One picture for the whole is drawn many times faster than a hundred axes.
    mosaic = np.full((len(CLASS_NAMES) * step - _GUTTER, per_class * step - _GUTTER), np.nan)
    # Only what is shown is made bright: all images as floats would take hundreds of megabytes.
    for label, chosen in enumerate(rows):
        for place, picture in enumerate(brightness(images[chosen])):
            top, left = label * step, place * step
            mosaic[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE] = picture
    height, width = (side * _SMALL_SIDE / IMAGE_SIZE for side in mosaic.shape)
    names_width = 0.95
    sheet = Sheet(1, 1, names_width + width, height, heading=heading)
    figure = sheet.figure(figure)
    axes = sheet.axes(figure, 0, left=names_width, top=0.0, width=width, height=height)
    show_image(axes, mosaic)
    axes.set_yticks(
        [label * step + (IMAGE_SIZE - 1) / 2 for label in range(len(CLASS_NAMES))],
        CLASS_NAMES,
        fontsize=MEDIUM,
        color=INK,
    )
    axes.tick_params(length=0, pad=6)
    return figure
