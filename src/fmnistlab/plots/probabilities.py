"""Images with the probabilities that a model gave to each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from torch import Tensor

from fmnistlab.data.schema import CLASS_NAMES, IMAGE_SIZE, NUM_CLASSES
from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.grid import Sheet
from fmnistlab.plots.style import (
    BLUE,
    DPI,
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
    from matplotlib.figure import Figure

_SIDE: Final = 8 * IMAGE_SIZE / DPI
_NAMES: Final = 0.8
_BARS: Final = 1.25
_TOP: Final = 0.2


def plot_predictions(
    images: Images,
    probabilities: Float[Tensor, "rows 10"],
    labels: Labels | None = None,
    *,
    columns: int = 2,
    figure: Figure | None = None,
) -> Figure:
    """Draws each image beside a bar for the probability of each class.

    The title says what was predicted and, where the true label is known, whether it is right; the
    bar of the predicted class is then blue if right and dark orange if wrong, and an arrow points
    at the true class.

    Args:
        images: uint8 0..255 or floats 0..1, shape (rows, 28, 28) or (rows, 1, 28, 28).
        probabilities: 0 to 1, shape (rows, 10).
        labels: the true classes, 0 to 9, shape (rows,); None if they are not known.
        columns: images in a row.
        figure: an empty figure to draw on; None for a new one of fitting size.

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
    width = _SIDE + _NAMES + _BARS + 0.4
    sheet = Sheet(len(pictures), columns, width, _SIDE + _TOP + 0.32, gap=0.15)
    figure = sheet.figure(figure)
    for cell, (picture, row, true) in enumerate(zip(pictures, values, truth, strict=True)):
        image_axes = sheet.axes(figure, cell, left=0.0, top=_TOP, width=_SIDE, height=_SIDE)
        show_image(image_axes, picture)
        bars = sheet.axes(figure, cell, left=_SIDE + _NAMES, top=_TOP, width=_BARS, height=_SIDE)
        color = _title(image_axes, row, true)
        _draw_bars(bars, row, true, color)
    return figure


def _title(axes: Axes, row: Float[np.ndarray, "10"], true: int | None) -> str:
    """Writes the verdict above the image and returns its color."""
    predicted = int(row.argmax())
    verdict = f"{CLASS_NAMES[predicted]} {probability_text(float(row[predicted]))}"
    color = INK
    if true is not None and true == predicted:
        verdict, color = f"right: {verdict}", BLUE
    elif true is not None:
        verdict, color = f"wrong: {verdict}, true: {CLASS_NAMES[true]}", RUST
    axes.set_title(verdict, loc="left", fontsize=SMALL, fontweight="bold", color=color, pad=4)
    return color


def _draw_bars(axes: Axes, row: Float[np.ndarray, "10"], true: int | None, color: str) -> None:
    plain(axes)
    predicted = int(row.argmax())
    colors = [color if label == predicted else GREY for label in range(NUM_CLASSES)]
    axes.barh(range(NUM_CLASSES), row, height=0.7, color=colors)
    axes.set_yticks(range(NUM_CLASSES), CLASS_NAMES, fontsize=SMALL - 1.0, color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=SMALL - 1.0, color=INK)
    axes.set_xlabel("probability", fontsize=SMALL - 1.0, color=INK, labelpad=1)
    axes.tick_params(length=0, pad=3)
    axes.grid(axis="x", color=PALE, linewidth=0.6, linestyle="-")
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    if true is not None:
        place = float(row[true]) + 0.02
        axes.text(
            place, true, "\N{LEFTWARDS ARROW} true", fontsize=SMALL - 1.0, color=INK, va="center"
        )
