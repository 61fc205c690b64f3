"""The confusion matrix as a picture, with the recall of each class beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, overload

import numpy as np

from fmnistlab.data.schema import CLASS_NAMES, NUM_CLASSES
from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.figures import FigureT, check_alone, figure_to_draw_on, lay_out
from fmnistlab.plots.style import (
    BLUE,
    GREY,
    INK,
    MEDIUM,
    PALE,
    SMALL,
    VERMILION,
    plain,
    title_axes,
    title_figure,
)
from fmnistlab.shapes import Float, Int64
from fmnistlab.training.records.metrics import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

_PLACES: Final = range(NUM_CLASSES)


@overload
def plot_confusion(matrix: Int64[np.ndarray, "10 10"], *, title: str = "", ax: Axes) -> Axes: ...
@overload
def plot_confusion(
    matrix: Int64[np.ndarray, "10 10"], *, title: str = "", figure: FigureT | None = None
) -> FigureT: ...
def plot_confusion(
    matrix: Int64[np.ndarray, "10 10"],
    *,
    title: str = "",
    ax: Axes | None = None,
    figure: FigureT | None = None,
) -> FigureT | Axes:
    """Draws how often each class was taken for each, and how much of each class was found.

    Rows are true classes, columns predicted ones. Right answers are shaded in blue by their share
    of the row; mistakes in orange, on a scale of their own that ends at the most frequent one,
    since next to the right answers they would all look white. The bars at the side are the recall
    of each class with its 95 % Wilson score interval.

    Args:
        matrix: counts, int64 (10, 10), from `fmnistlab.metrics.confusion_matrix`.
        title: what was measured, such as "cnn, seed 0, test set"; stands before the accuracy.
        ax: axes to draw the matrix on, without the bars.
        figure: an empty figure or subfigure to draw on; None for a new figure.

    Returns:
        The axes that were given, or the figure with two axes: matrix, recall.

    Raises:
        ConfigurationError: the matrix counts no image, a count is negative, or both `ax` and
            `figure` were given.
        MissingExtraError: matplotlib is not installed.
    """
    total = int(matrix.sum())
    if total == 0 or (matrix < 0).any():
        raise ConfigurationError("a confusion matrix holds counts of images, at least one.")
    accuracy = f"accuracy {np.trace(matrix) / total:.4f} on {total:,} images"
    heading = f"{title}: {accuracy}" if title else accuracy.capitalize()
    counts = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, counts, out=np.zeros(matrix.shape), where=counts > 0)
    if ax is not None:
        check_alone(figure)
        _draw_cells(ax, matrix, share)
        title_axes(ax, heading)
        return ax
    figure = figure_to_draw_on(figure, 8.6, 6.6)
    cells, side = figure.subplots(1, 2, sharey=True, width_ratios=(10, 2.3))
    _draw_cells(cells, matrix, share)
    _draw_recall(side, matrix)
    title_figure(figure, heading)
    lay_out(figure)
    return figure


def _draw_cells(
    axes: Axes, matrix: Int64[np.ndarray, "10 10"], share: Float[np.ndarray, "10 10"]
) -> None:
    plain(axes)
    right = np.eye(NUM_CLASSES, dtype=bool)
    worst = float(share[~right].max()) or 1.0
    layers = [
        axes.imshow(
            np.ma.masked_where(~right, share),
            cmap=_shades("white", "#9ECAE1", "#08519C"),
            vmin=0,
            vmax=1,
            aspect="auto",
        ),
        axes.imshow(
            np.ma.masked_where(right, share),
            cmap=_shades("white", "#FDC28C", VERMILION),
            vmin=0,
            vmax=worst,
            aspect="auto",
        ),
    ]
    for row in _PLACES:
        for column in _PLACES:
            layer = layers[0 if row == column else 1]
            red, green, blue, _ = layer.to_rgba(share[row, column])
            count = int(matrix[row, column])
            axes.text(
                column,
                row,
                f"{count:,}",
                fontsize=MEDIUM,
                color=readable_on((red, green, blue)) if count else GREY,
                ha="center",
                va="center",
            )
    axes.set_xticks(_PLACES, CLASS_NAMES, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(_PLACES, CLASS_NAMES)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=INK)
    axes.set_xlabel("predicted class", fontsize=MEDIUM, color=INK)
    axes.set_ylabel("true class", fontsize=MEDIUM, color=INK)
    axes.spines[:].set_color(PALE)


def _draw_recall(axes: Axes, matrix: Int64[np.ndarray, "10 10"]) -> None:
    plain(axes)
    for row in _PLACES:
        right, count = int(matrix[row, row]), int(matrix[row].sum())
        if count == 0:
            axes.text(0.04, row, "no images", fontsize=SMALL, color=GREY, va="center")
            continue
        low, high = wilson_interval(right, count)
        axes.barh(row, right / count, height=0.62, color=BLUE, alpha=0.25)
        axes.plot([low, high], [row, row], color=INK, linewidth=1.4, marker="|", markersize=7)
        # A long bar has room for its number, a short one has room behind it.
        place = 0.04 if low > 0.4 else high + 0.06
        axes.text(place, row, f"{right / count:.3f}", fontsize=MEDIUM, color=INK, va="center")
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=INK, labelleft=False)
    axes.set_xlabel("recall (fraction),\n95 % interval", fontsize=MEDIUM, color=INK)
    axes.spines[:].set_visible(False)


def _shades(*colors: str) -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 - optional, and slow

    return LinearSegmentedColormap.from_list("shades", colors)


def readable_on(background: tuple[float, float, float]) -> str:
    """Returns "white" or "black", whichever stands out more on a color; at least 4.5 to 1.

    Args:
        background: red, green and blue, each 0 to 1 (sRGB).
    """
    on_black = contrast(background, (0.0, 0.0, 0.0))
    return "white" if contrast(background, (1.0, 1.0, 1.0)) > on_black else "black"


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Returns the contrast ratio of two sRGB colors, 1 to 21, as WCAG 2.2 defines it."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: tuple[float, float, float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
