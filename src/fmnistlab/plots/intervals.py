"""How much better one model is than another, with both intervals of each pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, overload

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import number
from fmnistlab.plots.estimates import check_finite, draw_estimate, ends, estimate_entries
from fmnistlab.plots.figures import FigureT, check_alone, figure_to_draw_on, lay_out
from fmnistlab.plots.legends import write_legend_below
from fmnistlab.plots.style import (
    GREY,
    INK,
    MEDIUM,
    PALE,
    SMALL,
    frame,
    title_axes,
    title_figure,
)
from fmnistlab.plots.words import LITERAL, Ruler
from fmnistlab.statistics.judgement import SMALLEST
from fmnistlab.statistics.two_way import Difference, Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH: Final = 8.6
_ROW: Final = 0.4
_AROUND: Final = 1.9
_HEADINGS: Final = ("points", "all images", "these images")
_GAP: Final = 0.18
_NAMES: Final = 0.26  # of the width
_VALUES: Final = 0.4  # of the width


@overload
def plot_intervals(
    differences: Mapping[str, Difference], *, smallest: float = SMALLEST, title: str = "", ax: Axes
) -> Axes: ...
@overload
def plot_intervals(
    differences: Mapping[str, Difference],
    *,
    smallest: float = SMALLEST,
    title: str = "",
    figure: FigureT | None = None,
) -> FigureT: ...
def plot_intervals(
    differences: Mapping[str, Difference],
    *,
    smallest: float = SMALLEST,
    title: str = "",
    ax: Axes | None = None,
    figure: FigureT | None = None,
) -> FigureT | Axes:
    """Draws differences of accuracies in percentage points, each with both its 95 % intervals.

    A dot is the difference. The thick line is its interval for *these images* (other seeds on the
    same test images), the thin one with bars at its ends that for *all images* (other seeds and
    other images of this kind). The line at zero stands for no difference; the zone around it holds
    differences that are too small to be of interest. The values stand to the right of the axes, as
    many columns as there is room for.

    Args:
        differences: of pairs by name, such as `{"cnn - linearnet": difference(cnn, linearnet)}`;
            they stand in this order, the first on top.
        smallest: difference below which two models are as good as equal, a fraction above 0.
        title: of what, such as "classic recipe, 10 seeds each".
        ax: axes to draw on; names and values stand beside them, for which the figure needs room, as
            the layout "constrained" makes it.
        figure: an empty figure or subfigure to draw on; None for a new figure.

    Returns:
        The axes that were given, or the figure with one axes.

    Raises:
        ConfigurationError: there is no difference, one is not finite, `smallest` is not above 0 and
            below 1, or both `ax` and `figure` were given.
        MissingExtraError: matplotlib is not installed.
    """
    if not differences:
        raise ConfigurationError("there is nothing to draw: no difference was given.")
    for name, difference in differences.items():
        check_finite(name, difference)
    smallest = number("smallest", smallest, above=0, below=1)
    if ax is not None:
        check_alone(figure)
        _draw(ax, differences, smallest, ax.get_window_extent().width / ax.figure.dpi)
        title_axes(ax, title)
        return ax
    above = 0.3 if title else 0.0
    figure = figure_to_draw_on(figure, _WIDTH, _AROUND + above + _ROW * len(differences))
    _draw(figure.subplots(), differences, smallest, figure.bbox.width / figure.dpi)
    if title:
        title_figure(figure, title)
    lay_out(figure)
    return figure


def _draw(axes: Axes, differences: Mapping[str, Difference], smallest: float, width: float) -> None:
    from matplotlib.patches import Patch  # noqa: PLC0415 - optional, and slow to import

    rows = range(len(differences))
    zone: dict[str, Any] = {"facecolor": PALE, "alpha": 0.55, "hatch": "///", "edgecolor": "white"}
    axes.axvspan(-100 * smallest, 100 * smallest, linewidth=0, zorder=0, **zone)
    axes.axvline(0, color=GREY, linewidth=1.2, linestyle="-", zorder=1)
    for row, difference in zip(rows, differences.values(), strict=True):
        draw_estimate(axes, row, difference, scale=100)
    frame(axes, grid="x")
    reach = [100 * end for each in differences.values() for end in ends(each)]
    low, high = min(*reach, -100 * smallest), max(*reach, 100 * smallest)
    margin = 0.06 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    ruler = Ruler(SMALL)
    names = [ruler.fit(name, _NAMES * width, lines=2) for name in differences]
    axes.set_yticks(rows, names, **LITERAL)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("difference in accuracy (percentage points)", fontsize=MEDIUM, color=INK)
    _write_values(axes, list(differences.values()), _VALUES * width)
    entries = [
        *estimate_entries("difference of the mean accuracies"),
        (Patch(linewidth=0, **zone), f"less than {100 * smallest:g} points: too small to matter"),
    ]
    write_legend_below(axes, entries, 0.7 * width)


def _write_values(axes: Axes, differences: Sequence[Difference], width: float) -> None:
    """Writes the values to the right of the axes, as many columns as fit into a width in inches."""
    columns = [
        [_signed(100 * each.all_images.value) for each in differences],
        [_interval(each.all_images) for each in differences],
        [_interval(each.these_images) for each in differences],
    ]
    ruler = Ruler(SMALL)
    right = 0.0
    for place, (heading, texts) in enumerate(zip(_HEADINGS, columns, strict=True)):
        right += _GAP + max(map(ruler.width, (heading, *texts)))
        if place and right > width:
            return
        _write(axes, heading, right, (1.0, "axes fraction"), color=GREY, up=5, va="bottom")
        for row, text in enumerate(texts):
            _write(axes, text, right, (row, "data"), color=INK)


def _write(
    axes: Axes,
    text: str,
    right: float,
    height: tuple[float, str],
    *,
    color: str,
    up: float = 0,
    va: str = "center_baseline",
) -> None:
    """Writes a text that ends `right` inches to the right of the axes."""
    axes.annotate(
        text,
        (1.0, height[0]),
        xytext=(72 * right, up),
        xycoords=("axes fraction", height[1]),
        textcoords="offset points",
        ha="right",
        va=va,
        fontsize=SMALL,
        color=color,
        annotation_clip=False,
    )


def _interval(estimate: Estimate) -> str:
    low, high = (100 * end for end in estimate.interval())
    return f"{_signed(low)} to {_signed(high)}"


def _signed(points: float) -> str:
    """Returns a number with the signs that stand on the axes too."""
    return f"{points:+.2f}".replace("-", "\N{MINUS SIGN}")
