"""Images with the probabilities that a model gave to each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from torch import Tensor

from fmnistlab.data.schema import CLASS_NAMES, IMAGE_SIZE, NUM_CLASSES
from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.figures import DPI, FigureT
from fmnistlab.plots.grid import Sheet
from fmnistlab.plots.style import (
    BLUE,
    GREY,
    INK,
    PALE,
    RUST,
    SMALL,
    Images,
    Labels,
    brightness,
    label_array,
    plain,
    probability_text,
    show_image,
)
from fmnistlab.shapes import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE: Final = 8 * IMAGE_SIZE / DPI
_WIDTH: Final = 1.73
_NAMES: Final = 0.8
_LINE: Final = 0.15
_BETWEEN: Final = 0.08
_SCALE: Final = 0.32


def plot_predictions(
    images: Images,
    probabilities: Float[Tensor, "rows 10"],
    labels: Labels | None = None,
    *,
    columns: int = 4,
    title: str = "",
    figure: FigureT | None = None,
) -> FigureT:
    """Draws each image above a bar for the probability of each class.

    Above it stands what was predicted and, where the true label is known, whether it is right; the
    bar of the predicted class is then blue if right and dark orange if wrong, and an arrow points
    at the true class. The names of the classes stand once, at the left of each row of images.

    Args:
        images: uint8 0..255 or floats 0..1, shape (rows, 28, 28) or (rows, 1, 28, 28).
        probabilities: 0 to 1, shape (rows, 10).
        labels: the true classes, 0 to 9, shape (rows,); None if they are not known.
        columns: images in a row.
        title: above them all, such as "cnn, seed 0, test set".
        figure: an empty figure or subfigure to draw on; None for a new figure of fitting size.

    Returns:
        The figure, with two axes for each image, in order: the image, its bars.

    Raises:
        ConfigurationError: there are no images, or not one row of probabilities and one label for
            each, or one of them is of another shape or range.
        MissingExtraError: matplotlib is not installed.
    """
    pictures = brightness(images)
    if probabilities.shape != (len(pictures), NUM_CLASSES):
        raise ConfigurationError(
            f"{len(pictures)} images need probabilities of the shape ({len(pictures)}, 10), not "
            f"{tuple(probabilities.shape)}."
        )
    values = probabilities.detach().cpu().numpy()
    truth = (
        [None] * len(pictures) if labels is None else label_array(labels, len(pictures)).tolist()
    )
    above = 0.05 + _LINE * (1 if labels is None else 2)
    height = above + _SIDE + _BETWEEN + _SIDE + _SCALE
    sheet = Sheet(len(pictures), columns, _WIDTH, height, gap=0.15, left=_NAMES, title=title)
    grid = sheet.on(figure)
    for cell, (picture, row, true) in enumerate(zip(pictures, values, truth, strict=True)):
        image_axes = grid.axes(cell, left=0.0, top=above, width=_SIDE, height=_SIDE)
        show_image(image_axes, picture)
        color = _verdict(image_axes, row, true, grid.scale)
        top = above + _SIDE + _BETWEEN
        bars = grid.axes(cell, left=0.0, top=top, width=_SIDE, height=_SIDE)
        _draw_bars(bars, row, true, color, grid.scale, named=cell % columns == 0)
    return grid.figure


def _verdict(axes: Axes, row: Float[np.ndarray, "10"], true: int | None, scale: float) -> str:
    """Writes the verdict above the image and returns its color."""
    predicted = int(row.argmax())
    verdict = f"{CLASS_NAMES[predicted]} {probability_text(float(row[predicted]))}"
    color, lines = INK, [(verdict, INK)]
    if true is not None and true == predicted:
        color = BLUE
        lines = [(f"right: {verdict}", color)]
    elif true is not None:
        color = RUST
        lines = [(f"wrong: {verdict}", color), (f"true: {CLASS_NAMES[true]}", INK)]
    for number, (line, ink) in enumerate(reversed(lines)):
        place = 1 + (0.05 + number * _LINE) / _SIDE
        size = SMALL * scale
        axes.text(0.0, place, line, fontsize=size, color=ink, transform=axes.transAxes)
    return color


def _draw_bars(
    axes: Axes,
    row: Float[np.ndarray, "10"],
    true: int | None,
    color: str,
    scale: float,
    *,
    named: bool,
) -> None:
    plain(axes)
    predicted = int(row.argmax())
    size = (SMALL - 1.0) * scale
    colors = [color if label == predicted else GREY for label in range(NUM_CLASSES)]
    axes.barh(range(NUM_CLASSES), row, height=0.7, color=colors)
    names = CLASS_NAMES if named else [""] * NUM_CLASSES
    axes.set_yticks(range(NUM_CLASSES), names, fontsize=size, color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=size, color=INK)
    axes.set_xlabel("probability", fontsize=size, color=INK, labelpad=scale)
    axes.tick_params(length=0, pad=3 * scale)
    axes.grid(axis="x", color=PALE, linewidth=0.6, linestyle="-")
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    # Where the prediction is right, the bar is the longest, and may leave no room for an arrow.
    if true is not None and true != predicted:
        place = float(row[true]) + 0.02
        arrow = "\N{LEFTWARDS ARROW} true"
        axes.text(place, true, arrow, fontsize=size, color=INK, va="center")
