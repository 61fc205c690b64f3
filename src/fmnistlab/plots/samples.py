"""Sheets of images: any images, and the overview of the ten classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, overload

import numpy as np

from fmnistlab.data.schema import CLASS_NAMES, IMAGE_SIZE
from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.figures import DPI, FigureT, check_alone
from fmnistlab.plots.grid import Sheet
from fmnistlab.plots.style import (
    INK,
    MEDIUM,
    SMALL,
    Images,
    Labels,
    brightness,
    label_array,
    show_image,
    title_axes,
)
from fmnistlab.plots.words import LITERAL, Ruler
from fmnistlab.shapes import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE: Final = 6 * IMAGE_SIZE / DPI
_SMALL_SIDE: Final = 4 * IMAGE_SIZE / DPI
_GAP: Final = 0.2
_NAMES_WIDTH: Final = 0.95
_GUTTER: Final = 2
"""Pixels of white between the images of the overview."""


def plot_images(
    images: Images,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 6,
    title: str = "",
    figure: FigureT | None = None,
) -> FigureT:
    """Draws images side by side, bright cloth on black as the data has them.

    Args:
        images: uint8 0..255 or floats 0..1, shape (rows, 28, 28) or (rows, 1, 28, 28).
        titles: a short text above each image, such as its class; broken into at most three
            lines.
        columns: images in a row.
        title: above them all.
        figure: an empty figure or subfigure to draw on; None for a new figure of fitting size.

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
    ruler = Ruler(SMALL)
    shown = [ruler.fit(text, _SIDE + _GAP / 2, lines=3) for text in titles or ()]
    above = 0.17 * max((text.count("\n") + 1 for text in shown), default=0)
    grid = Sheet(len(pictures), columns, _SIDE, _SIDE + above, gap=_GAP, title=title).on(figure)
    for cell, picture in enumerate(pictures):
        axes = grid.axes(cell, left=0.0, top=above, width=_SIDE, height=_SIDE)
        show_image(axes, picture)
        if shown:
            size, pad = SMALL * grid.scale, 3 * grid.scale
            axes.set_title(shown[cell], fontsize=size, color=INK, pad=pad, **LITERAL)
    return grid.figure


@overload
def plot_samples(
    images: Images, labels: Labels, per_class: int = 10, *, title: str = "", ax: Axes
) -> Axes: ...
@overload
def plot_samples(
    images: Images,
    labels: Labels,
    per_class: int = 10,
    *,
    title: str = "",
    figure: FigureT | None = None,
) -> FigureT: ...
def plot_samples(
    images: Images,
    labels: Labels,
    per_class: int = 10,
    *,
    title: str = "",
    ax: Axes | None = None,
    figure: FigureT | None = None,
) -> FigureT | Axes:
    """Draws the first images of each class, one class to a line with its name.

    Args:
        images: uint8 0..255 or floats 0..1, shape (rows, 28, 28) or (rows, 1, 28, 28).
        labels: the class of each image, 0 to 9, shape (rows,).
        per_class: images to show of each class; a class that has fewer leaves room.
        title: above them all.
        ax: axes to draw on.
        figure: an empty figure or subfigure to draw on; None for a new figure of fitting size.

    Returns:
        The axes that were given, or the figure with one axes that holds the whole as one image.

    Raises:
        ConfigurationError: `per_class` is below 1, images or labels are of another shape or range,
            or both `ax` and `figure` were given.
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
    if ax is not None:
        check_alone(figure)
        _draw_mosaic(ax, mosaic, scale=1.0)
        title_axes(ax, title)
        return ax
    height, width = (side * _SMALL_SIDE / IMAGE_SIZE for side in mosaic.shape)
    grid = Sheet(1, 1, width, height, left=_NAMES_WIDTH, title=title).on(figure)
    axes = grid.axes(0, left=0.0, top=0.0, width=width, height=height)
    _draw_mosaic(axes, mosaic, grid.scale)
    return grid.figure


def _draw_mosaic(axes: Axes, mosaic: Float[np.ndarray, "height width"], scale: float) -> None:
    show_image(axes, mosaic)
    step = IMAGE_SIZE + _GUTTER
    places = [label * step + (IMAGE_SIZE - 1) / 2 for label in range(len(CLASS_NAMES))]
    axes.set_yticks(places, CLASS_NAMES, fontsize=MEDIUM * scale, color=INK)
    axes.tick_params(length=0, pad=6 * scale)
