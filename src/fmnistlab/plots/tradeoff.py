"""What accuracy costs: in parameters, or in seconds of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import number, refused, whole_number
from fmnistlab.plots.estimates import check_finite, draw_estimate, ends, estimate_entries
from fmnistlab.plots.figures import FigureT, check_alone, figure_to_draw_on, lay_out
from fmnistlab.plots.labels import Box, Labels
from fmnistlab.plots.legends import Entries, write_legend_below
from fmnistlab.plots.style import GREY, INK, MEDIUM, SMALL, frame, title_axes, title_figure
from fmnistlab.plots.words import Ruler
from fmnistlab.statistics.references import REPORTED, Reference
from fmnistlab.statistics.two_way import Difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH: Final = 8.6
_HEIGHT: Final = 5.6
_LONGEST_NAME: Final = 1.8
_TICK_GAP: Final = 0.15
_BESIDE_AXES: Final = 1.0
_MARK: Final = 0.08
_PAD: Final = 1.6  # more than the square root of 2.5, so that 1, 2, 5, 10 have one inside
_LINE: Final[dict[str, Any]] = {"color": GREY, "linewidth": 1.2, "linestyle": (0, (5, 3))}


@dataclass(frozen=True)
class TradeoffPoint:
    """A model with what it costs and what it reaches.

    Attributes:
        name: of the model or recipe.
        parameters: number of its parameters, from 1.
        seconds: of one training, above 0.
        accuracy: mean over the seeds with both uncertainties, from
            `fmnistlab.statistics.accuracy_estimates`.

    Raises:
        ConfigurationError: a number is outside its range or not finite.
    """

    name: str
    parameters: int
    seconds: float
    accuracy: Difference

    def __post_init__(self) -> None:
        whole_number("parameters", self.parameters)
        number("seconds", self.seconds, above=0)
        check_finite(self.name, self.accuracy)


Cost = Literal["parameters", "seconds"]
"""What accuracy is drawn against."""


@overload
def plot_tradeoff(
    points: Sequence[TradeoffPoint],
    *,
    x: Cost = "parameters",
    title: str = "",
    references: Sequence[Reference] = (),
    ax: Axes,
) -> Axes: ...
@overload
def plot_tradeoff(
    points: Sequence[TradeoffPoint],
    *,
    x: Cost = "parameters",
    title: str = "",
    references: Sequence[Reference] = (),
    figure: FigureT | None = None,
) -> FigureT: ...
def plot_tradeoff(
    points: Sequence[TradeoffPoint],
    *,
    x: Cost = "parameters",
    title: str = "",
    references: Sequence[Reference] = (),
    ax: Axes | None = None,
    figure: FigureT | None = None,
) -> FigureT | Axes:
    """Draws accuracies against parameters or seconds of training, with both 95 % intervals.

    A dot is a mean over seeds, with the intervals as in `plot_intervals`: the thick one for these
    images, the thin one for all images. Each dot has its name beside it, or at the end of a line
    where it is crowded. Parameters are on a logarithmic scale; so are seconds if the longest
    training took ten times as long as the shortest, and else they begin at 0.

    Args:
        points: what to draw, at least one.
        x: "parameters" or "seconds".
        title: of what, such as "classic recipe, 10 seeds each".
        references: published accuracies, such as `fmnistlab.statistics.REFERENCES`: dashed lines,
            each in a pale band, its 95 % interval.
        ax: axes to draw on. Names are placed for the size that they have now.
        figure: an empty figure or subfigure to draw on; None for a new figure.

    Returns:
        The axes that were given, or the figure with one axes.

    Raises:
        ConfigurationError: there is no point, `x` is unknown, or both `ax` and `figure` were given.
        MissingExtraError: matplotlib is not installed.
    """
    if not points:
        raise ConfigurationError("there is nothing to draw: no point was given.")
    if x not in ("parameters", "seconds"):
        raise refused("x", x, '"parameters" or "seconds"')
    costs = [float(getattr(point, x)) for point in points]
    if ax is not None:
        check_alone(figure)
        _draw(ax, points, costs, references)
        _describe(ax, costs, x, references, ax.get_window_extent().width / ax.figure.dpi)
        title_axes(ax, title)
        _name(ax, points, costs, references)
        return ax
    figure = figure_to_draw_on(figure, _WIDTH, _HEIGHT + (0.3 if title else 0.0))
    axes = figure.subplots()
    _draw(axes, points, costs, references)
    _describe(axes, costs, x, references, figure.bbox.width / figure.dpi)
    if title:
        title_figure(figure, title)
    lay_out(figure)
    _name(axes, points, costs, references)
    return figure


def _draw(
    axes: Axes,
    points: Sequence[TradeoffPoint],
    costs: Sequence[float],
    references: Sequence[Reference],
) -> None:
    for reference in references:
        axes.axhspan(*reference.interval(), color=GREY, alpha=0.12, linewidth=0, zorder=0)
        axes.axhline(reference.accuracy, zorder=1, **_LINE)
    for point, cost in zip(points, costs, strict=True):
        draw_estimate(axes, cost, point.accuracy, upright=True)
    reach = [end for point in points for end in ends(point.accuracy)]
    reach += [end for reference in references for end in reference.interval()]
    margin = 0.1 * (max(reach) - min(reach)) or 0.01
    axes.set_ylim(min(reach) - margin, max(reach) + margin)


def _describe(
    axes: Axes, costs: Sequence[float], x: Cost, references: Sequence[Reference], width: float
) -> None:
    """Gives the axes their scales, labels and legend."""
    frame(axes)
    low, high = min(costs), max(costs)
    logarithmic = x == "parameters" or high >= 10 * low
    if logarithmic:
        axes.set_xscale("log")
        low, high = low / _PAD, high * _PAD
        ticks = _ticks(low, high, width - _BESIDE_AXES)
        axes.set_xticks(ticks, list(map(_tick_text, ticks)))
        axes.set_xticks([], minor=True)
    axes.set_xlim(low if logarithmic else 0, high if logarithmic else 1.15 * high)
    label = "parameters" if x == "parameters" else "seconds of one training"
    scale = " (logarithmic scale)" if logarithmic else ""
    axes.set_xlabel(f"{label}{scale}", fontsize=MEDIUM, color=INK)
    axes.set_ylabel("accuracy (fraction)", fontsize=MEDIUM, color=INK)
    write_legend_below(axes, _entries(references), width - _BESIDE_AXES)


def _ticks(low: float, high: float, width: float) -> list[float]:
    """Returns round numbers on a logarithmic axis, as many as find room on its width in inches."""
    ruler = Ruler(SMALL)
    inches = width / math.log(high / low)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    choices = [
        [step * 10.0**decade for decade in decades for step in steps]
        for steps in ((1, 2, 5), (1, 3), (1,))
    ]
    inside = [[tick for tick in choice if low <= tick <= high] for choice in choices]
    fewer = [inside[-1][::stride] for stride in range(2, len(decades))]
    for ticks in [*inside, *fewer]:
        sizes = [ruler.width(_tick_text(tick)) for tick in ticks]
        gaps = [inches * math.log(right / left) for left, right in pairwise(ticks)]
        needed = [_TICK_GAP + (left + right) / 2 for left, right in pairwise(sizes)]
        if ticks and all(gap >= need for gap, need in zip(gaps, needed, strict=True)):
            return ticks
    return inside[0][:1]


def _tick_text(tick: float) -> str:
    return f"{tick:,.0f}" if tick >= 1 else f"{tick:g}"


def _entries(references: Sequence[Reference]) -> Entries:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - optional, and slow to import
    from matplotlib.patches import Patch  # noqa: PLC0415 - matplotlib is optional

    entries = list(estimate_entries("mean accuracy of the seeds"))
    if references:
        mark = Patch(color=GREY, alpha=0.12, linewidth=0), Line2D([], [], **_LINE)
        entries.append((mark, f"published, with 95 % interval: {REPORTED}"))
    return entries


def _name(
    axes: Axes,
    points: Sequence[TradeoffPoint],
    costs: Sequence[float],
    references: Sequence[Reference],
) -> None:
    """Writes the names of lines and points, where they cover nothing."""
    # A layout of the figure's own moves the axes when it is drawn, not before.
    axes.figure.figure.draw_without_rendering()
    labels = Labels(axes)
    width = min(_LONGEST_NAME, 0.4 * (labels.inside.right - labels.inside.left))
    for point, cost in zip(points, costs, strict=True):
        low, high = (labels.at(cost, end(ends(point.accuracy))) for end in (min, max))
        labels.keep_free(Box(low[0] - _MARK, low[1] - 0.02, high[0] + _MARK, high[1] + 0.02))
        across, up = labels.at(cost, point.accuracy.all_images.value)
        labels.keep_apart((across, up))
        labels.keep_free(Box(across - _MARK, up - _MARK, across + _MARK, up + _MARK))
    for reference in references:
        _, up = labels.at(costs[0], reference.accuracy)
        labels.keep_free(Box(labels.inside.left, up - 0.01, labels.inside.right, up + 0.01))
    for reference in references:
        shown = f"{reference.name}, {reference.accuracy:.4g}"
        labels.name_line(shown, reference.accuracy, 1.5 * width)
    for point, cost in zip(points, costs, strict=True):
        labels.name_point(point.name, cost, point.accuracy.all_images.value, width)
