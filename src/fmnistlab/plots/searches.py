"""How a search went: its trials one after the other, and by each of their settings."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.figures import FigureT, figure_to_draw_on, lay_out
from fmnistlab.plots.legends import write_legend_below
from fmnistlab.plots.style import BLUE, GREY, INK, MEDIUM, SMALL, VERMILION, frame, title_figure
from fmnistlab.plots.words import LITERAL, Ruler

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_ACROSS: Final = 3
_DONE: Final[dict[str, Any]] = {"color": BLUE, "marker": "o", "markersize": 5, "linestyle": "none"}
_PRUNED: Final[dict[str, Any]] = {
    "color": GREY,
    "marker": "x",
    "markersize": 5,
    "linestyle": "none",
}
_BEST: Final[dict[str, Any]] = {"color": VERMILION, "marker": "*", "markersize": 13}
_BESIDE: Final = 0.08  # of the axes, free beside the first and the last point
_FEW: Final = 6
_WIDTH: Final = 8.6
_MARGINS: Final = 0.6


class SearchPoint(NamedTuple):
    """One trial of a search.

    Attributes:
        number: from 0, in the order in which they were asked for.
        settings: what was chosen, by name.
        accuracy: on the validation set, a fraction.
        done: whether it was trained to its end; pruned otherwise.
    """

    number: int
    settings: Mapping[str, Any]
    accuracy: float
    done: bool


def plot_search_history(
    points: Sequence[SearchPoint], *, title: str = "", figure: FigureT | None = None
) -> FigureT:
    """Draws the validation accuracy of each trial, and the best one so far.

    Args:
        points: the trials that were trained; at least one.
        title: of what, such as "cnn".
        figure: an empty figure or subfigure to draw on; None for a new figure.

    Returns:
        The figure, with one axes.

    Raises:
        ConfigurationError: there is no trial.
        MissingExtraError: matplotlib is not installed.
    """
    _check(points)
    figure = figure_to_draw_on(figure, _WIDTH, 4.0 + (0.3 if title else 0.0))
    axes = figure.subplots()
    entries = _draw(axes, points, [point.number for point in points])
    best, line = -math.inf, []
    for point in points:
        best = max(best, point.accuracy if point.done else -math.inf)
        line.append(best if math.isfinite(best) else math.nan)
    (so_far,) = axes.plot(
        [point.number for point in points],
        line,
        color=VERMILION,
        linewidth=1.4,
        marker="",
        linestyle="-",
        drawstyle="steps-post",
        zorder=2,
    )
    width = float(figure.bbox.width) / figure.dpi - _MARGINS
    _label(axes, "trial", width)
    write_legend_below(axes, [*entries, (so_far, "the best so far")], width)
    axes.set_ylabel("validation accuracy (fraction)", fontsize=MEDIUM, color=INK)
    if title:
        title_figure(figure, title)
    lay_out(figure)
    return figure


def plot_search_slices(
    points: Sequence[SearchPoint],
    *,
    logarithmic: Collection[str] = (),
    title: str = "",
    figure: FigureT | None = None,
) -> FigureT:
    """Draws the validation accuracy of each trial over each of its settings.

    Args:
        points: the trials that were trained; at least one, all with the same settings.
        logarithmic: names of the settings whose numbers stand on a logarithmic scale.
        title: of what, such as "cnn".
        figure: an empty figure or subfigure to draw on; None for a new figure.

    Returns:
        The figure, with an axes for each setting.

    Raises:
        ConfigurationError: there is no trial, or no setting.
        MissingExtraError: matplotlib is not installed.
    """
    _check(points)
    names = [*points[0].settings]
    if not names:
        raise ConfigurationError("the trials have no settings to draw.")
    rows = math.ceil(len(names) / _ACROSS)
    figure = figure_to_draw_on(figure, _WIDTH, 2.6 * rows + 0.5 + (0.3 if title else 0.0))
    width = float(figure.bbox.width) / figure.dpi / _ACROSS - _MARGINS
    grid = figure.subplots(rows, min(len(names), _ACROSS), squeeze=False, sharey=True)
    for axes, name in zip(grid.flat, names, strict=False):
        values = [point.settings[name] for point in points]
        kinds = _kinds(values)
        if kinds is None:
            entries = _draw(axes, points, values)
            if name in logarithmic and min(values) > 0:
                axes.set_xscale("log")
        else:
            entries = _draw(axes, points, [kinds.index(_text(value)) for value in values])
            ruler = Ruler(SMALL)
            labels = [ruler.fit(kind, 0.9 * width / len(kinds)) for kind in kinds]
            axes.set_xticks(range(len(kinds)), labels, **LITERAL)
            axes.set_xlim(-0.5, len(kinds) - 0.5)
        _label(axes, name, width)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    grid[0, 0].set_ylabel("validation accuracy (fraction)", fontsize=MEDIUM, color=INK)
    write_legend_below(grid[-1, 0], entries, width)
    if title:
        title_figure(figure, title)
    lay_out(figure)
    return figure


def _kinds(values: Sequence[Any]) -> list[str] | None:
    """Returns what stands side by side below axes; None for numbers, which have a scale.

    A few whole numbers, as of batches, have none: 16 and 32 would touch each other beside 512.
    """
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    whole = numbers and all(isinstance(value, int) for value in values)
    if numbers and not (whole and len({*values}) <= _FEW):
        return None
    different = {_text(value): value for value in values}
    return sorted(different, key=different.__getitem__ if whole else None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _check(points: Sequence[SearchPoint]) -> None:
    """Refuses to draw nothing.

    Raises:
        ConfigurationError: there is no trial.
    """
    if not points:
        raise ConfigurationError("there are no trials to draw.")


def _draw(
    axes: Axes, points: Sequence[SearchPoint], places: Sequence[float]
) -> list[tuple[Line2D, str]]:
    """Draws the trials; returns what stands for each kind, and what the legend says of it."""
    entries = []
    for kind, style, words in ((True, _DONE, "trained to the end"), (False, _PRUNED, "pruned")):
        chosen = [at for at, point in enumerate(points) if point.done is kind]
        if chosen:
            (marks,) = axes.plot(
                [places[at] for at in chosen], [points[at].accuracy for at in chosen], **style
            )
            entries.append((marks, words))
    done = [at for at, point in enumerate(points) if point.done]
    if done:
        best = max(done, key=lambda at: points[at].accuracy)
        axes.plot(
            [places[best]],
            [points[best].accuracy],
            linestyle="none",
            markeredgecolor="white",
            markeredgewidth=0.8,
            zorder=4,
            **_BEST,
        )
    return entries


def _label(axes: Axes, name: str, width: float) -> None:
    """Names what the trials are drawn over, in a line that is no wider than `width` inches."""
    shown = Ruler(MEDIUM).fit(name, width)
    axes.set_xlabel(shown, fontsize=MEDIUM, color=INK, **LITERAL)
    axes.margins(x=_BESIDE)
    frame(axes)
