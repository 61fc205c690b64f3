"""The look that all pictures share: sizes, colors, how images are shown.

The colors are those of M. Okabe and K. Ito, "Color universal design" (2008), which people with
any common form of color blindness can tell apart; nothing is said by color alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from torch import Tensor

from fmnistlab.data.schema import IMAGE_SIZE, NUM_CLASSES, PIXEL_MAX
from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.words import LITERAL, Ruler
from fmnistlab.shapes import Float, Int64, Shaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

BLUE: Final = "#0072B2"
"""Training; right answers."""

VERMILION: Final = "#D55E00"
"""Validation; cells of mistakes."""

RUST: Final = "#B24A00"
"""Text about wrong answers: vermilion, darkened until it has a contrast of 5 to 1 on white."""

INK: Final = "#222222"
"""Text and marks."""

RUN_COLORS: Final = (BLUE, VERMILION, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", INK)
"""Several runs in one picture, in this order."""

GREY: Final = "#6B6B6B"
"""What is there only for orientation; 5 to 1 in contrast to white."""

PALE: Final = "#D9D9D9"
"""Lines and bars in the background."""

LARGE: Final = 11.0
"""Size of titles in points."""

MEDIUM: Final = 9.5
"""Size of axis labels in points."""

SMALL: Final = 8.5
"""Size of everything else in points."""

_MARGIN: Final = 0.1

Images: TypeAlias = (
    Shaped[Tensor, "rows *channel 28 28"] | Shaped[np.ndarray, "rows *channel 28 28"]
)
"""Images to show: uint8 0..255 or floats 0..1, shape (rows, 28, 28) or (rows, 1, 28, 28)."""

Labels: TypeAlias = Shaped[Tensor, "rows"] | Shaped[np.ndarray, "rows"]
"""Labels 0 to 9 of the images, whole numbers, shape (rows,)."""


def brightness(images: Images) -> Float[np.ndarray, "rows 28 28"]:
    """Returns images as float32 0..1, 0 being black.

    Raises:
        ConfigurationError: the shape is none of those of `Images`, or a float is outside 0..1.
    """
    array = images.detach().cpu().numpy() if isinstance(images, Tensor) else images
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 3 or array.shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
        raise ConfigurationError(
            f"images to show must have the shape (rows, 28, 28) or (rows, 1, 28, 28), not "
            f"{tuple(images.shape)}."
        )
    scale = PIXEL_MAX if array.dtype == np.uint8 else 1
    values: np.ndarray = np.divide(array, scale, dtype=np.float32)
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ConfigurationError(
            f"images to show must be uint8, or floats from 0 to 1; these go from "
            f"{values.min():.4g} to {values.max():.4g}. Undo any normalization first."
        )
    return values


def label_array(labels: Labels, count: int) -> Int64[np.ndarray, "rows"]:
    """Returns labels as int64.

    Raises:
        ConfigurationError: there are not `count` labels, or one is not from 0 to 9.
    """
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else labels
    if array.shape != (count,):
        raise ConfigurationError(
            f"{count} images need {count} labels in one row; the labels' shape is {array.shape}."
        )
    array = array.astype(np.int64)
    if ((array < 0) | (array >= NUM_CLASSES)).any():
        raise ConfigurationError("labels must be whole numbers from 0 to 9.")
    return array


def show_image(axes: Axes, image: Float[np.ndarray, "height width"]) -> None:
    """Shows brightness 0..1 from black to white, pixel by pixel, without ticks or frame."""
    axes.imshow(image, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest", aspect="equal")
    bare(axes)


def title_figure(figure: Figure | SubFigure, title: str) -> None:
    """Writes a title above all axes of a figure, broken into lines that are no wider than it."""
    width = figure.bbox.width / figure.dpi - 2 * _MARGIN
    shown = Ruler(LARGE, bold=True).fit(title, width, lines=3)
    place = _MARGIN * figure.dpi / figure.bbox.width
    look = {"ha": "left", "fontsize": LARGE, "fontweight": "bold", "color": INK}
    figure.suptitle(shown, x=place, **look, **LITERAL)


def title_axes(axes: Axes, title: str) -> None:
    """Writes a title above axes that were given, broken into lines that are no wider than they."""
    width = axes.get_window_extent().width / axes.figure.dpi
    shown = Ruler(LARGE, bold=True).fit(title, width, lines=3)
    axes.set_title(shown, loc="left", fontsize=LARGE, fontweight="bold", color=INK, **LITERAL)


def plain(axes: Axes) -> None:
    """Takes away what a style sheet of the user may have put there: a background, a grid."""
    axes.set_facecolor("none")
    axes.grid(visible=False)


def frame(axes: Axes, *, grid: Literal["x", "y"] = "y") -> None:
    """Draws what curves and points stand on: two pale sides and lines across one direction."""
    plain(axes)
    axes.tick_params(which="both", labelsize=SMALL, colors=INK, color=PALE)
    axes.grid(axis=grid, color=PALE, linewidth=0.6, linestyle="-")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)


def bare(axes: Axes) -> None:
    """Takes away ticks and frame too."""
    plain(axes)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def probability_text(probability: float) -> str:
    """Returns a probability with two decimals; what would round to 1.00 becomes ">0.99"."""
    return ">0.99" if probability >= 0.995 else f"{probability:.2f}"
