"""Loss and accuracy over the epochs, of one training or of several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.epoch_axes import epoch_axes, name_units
from fmnistlab.plots.figures import FigureT, figure_to_draw_on, lay_out
from fmnistlab.plots.legends import write_legend
from fmnistlab.plots.style import BLUE, GREY, RUN_COLORS, SMALL, VERMILION, title_figure
from fmnistlab.plots.words import Ruler
from fmnistlab.training.records.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_MOST_MARKERS: Final = 30
_MARKERS: Final = "osD^vPX"
_LEGEND_ROOM: Final = 0.4  # of the height of the curves
_LEGEND_LINE: Final = 0.18
_LONGEST_NAME: Final = 1.5
_ROOM_INSIDE: Final = 7.0  # inches of a figure in which the legends hide no curve


class _Run(NamedTuple):
    """One training, as it is drawn."""

    name: str
    history: History
    color: str
    marker: str


def plot_curves(
    histories: History | Mapping[str, History] | Iterable[History],
    *,
    title: str = "",
    figure: FigureT | None = None,
) -> FigureT:
    """Draws loss and accuracy over the epochs, for training and validation.

    Training values are running ones, measured while the weights were changing, so early in a
    training they can be worse than the validation values of the same epoch. A star marks the best
    validated epoch. Values that are nan or infinite leave a gap.

    Args:
        histories: one history, or several by name: `{"cnn": one, "linearnet": other}`; those
            without a name are called run 1, run 2 and so on. Each has at least one finished epoch.
        title: of what, such as "cnn, seed 0".
        figure: an empty figure or subfigure to draw on; None for a new figure.

    Returns:
        The figure, with two axes: loss, accuracy.

    Raises:
        ConfigurationError: there is no history, or no epoch of one has finished.
        MissingExtraError: matplotlib is not installed.
    """
    runs = _runs(histories)
    below = 0.0 if len(runs) == 1 else _LEGEND_LINE * (len(runs) + 2)
    figure = figure_to_draw_on(figure, 8.6, 3.5 + (0.3 if title else 0.0) + below)
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    inside = len(runs) == 1 and bool(figure.bbox.width / figure.dpi >= _ROOM_INSIDE)
    _draw(loss_axes, runs, "loss", legend_inside=inside)
    _draw(accuracy_axes, runs, "accuracy", legend_inside=inside)
    name_units(loss_axes, accuracy_axes)
    if title:
        title_figure(figure, title)
    lay_out(figure)
    return figure


def _runs(histories: History | Mapping[str, History] | Iterable[History]) -> list[_Run]:
    """Returns the trainings with their colors.

    Raises:
        ConfigurationError: there is none, or one without epochs.
    """
    named: Mapping[str, History]
    if isinstance(histories, History):
        named = {"": histories}
    elif isinstance(histories, Mapping):
        named = histories
    else:
        named = {f"run {number}": history for number, history in enumerate(histories, start=1)}
    if not named:
        raise ConfigurationError("there are no curves to draw: no history was given.")
    for name, history in named.items():
        if not history:
            of = f" of {name}" if name else ""
            raise ConfigurationError(f"there are no curves to draw: no epoch{of} has finished yet.")
    return [
        _Run(
            name,
            history,
            RUN_COLORS[number % len(RUN_COLORS)],
            _MARKERS[number // len(RUN_COLORS) % len(_MARKERS)],
        )
        for number, (name, history) in enumerate(named.items())
    ]


def _draw(axes: Axes, runs: list[_Run], metric: str, *, legend_inside: bool) -> None:
    entries = _draw_one(axes, runs[0], metric) if len(runs) == 1 else _draw_all(axes, runs, metric)
    epoch_axes(axes, metric.capitalize(), max(len(run.history) for run in runs))
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.18), "borderaxespad": 0}
    if legend_inside:
        # Losses fall and accuracies rise: a corner is made free for the legend.
        low, high = axes.get_ylim()
        room = _LEGEND_ROOM * (high - low)
        falling = metric == "loss"
        axes.set_ylim(low if falling else low - room, high + room if falling else high)
        place = {"loc": "upper right" if falling else "lower right"}
    write_legend(axes, entries, **place)


def _draw_one(axes: Axes, run: _Run, metric: str) -> list[tuple[Line2D, str]]:
    """Draws one training; returns its lines and what the legend says of them."""
    training = _line(axes, run.history, metric, color=BLUE, linestyle="-", marker="o")
    entries = [(training, "training, while learning")]
    validation = f"val_{metric}"
    if validation in run.history.metric_names:
        style = {"color": VERMILION, "linestyle": "--", "marker": "s"}
        entries.append((_line(axes, run.history, validation, **style), "validation"))
        best = _mark_best(axes, run.history, validation, VERMILION)
        if best is not None:
            line, text = best
            entries.append((line, f"best validation: {text}"))
    return entries


def _draw_all(axes: Axes, runs: list[_Run], metric: str) -> list[tuple[Line2D, str]]:
    """Draws several trainings; returns a line of each and what the legend says of it."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - optional, and slow to import

    ruler = Ruler(SMALL)
    entries = []
    validation = f"val_{metric}"
    for run in runs:
        style: dict[str, Any] = {"color": run.color, "marker": run.marker}
        _line(axes, run.history, metric, linestyle="-", **style)
        name = ruler.fit(run.name, _LONGEST_NAME)
        if validation in run.history.metric_names:
            _line(axes, run.history, validation, linestyle="--", **style)
            best = _mark_best(axes, run.history, validation, run.color)
            name = name if best is None else f"{name}: best {best[1]}"
        solid = Line2D([], [], linewidth=1.8, markersize=4, **style)
        entries.append((solid, name))
    training = Line2D([], [], color=GREY, linewidth=1.8, linestyle="-")
    validated = Line2D([], [], color=GREY, linewidth=1.8, linestyle="--")
    entries.append((training, "training, while learning"))
    entries.append((validated, "validation, the best with a star"))
    return entries


def _line(axes: Axes, history: History, name: str, **style: Any) -> Line2D:
    """Draws one metric; epochs that were not validated are left out, the line goes on past them."""
    records = [record for record in history if getattr(record, name) is not None]
    values = [getattr(record, name) for record in records]
    (line,) = axes.plot(
        [record.epoch for record in records],
        [value if math.isfinite(value) else math.nan for value in values],
        linewidth=1.8,
        # Markers show where few epochs really are; of many they would make a caterpillar.
        markersize=4 if len(history) <= _MOST_MARKERS else 0,
        **style,
    )
    return line


def _mark_best(axes: Axes, history: History, name: str, color: str) -> tuple[Line2D, str] | None:
    """Puts a star at the best epoch; returns it with its value in words, or None if it has none."""
    best = history.best(name)
    value = getattr(best, name)
    if not math.isfinite(value):
        return None
    (star,) = axes.plot(
        [best.epoch],
        [value],
        linestyle="none",
        marker="*",
        markersize=13,
        color=color,
        markeredgecolor="white",
        markeredgewidth=0.8,
        zorder=4,
    )
    return star, f"{value:.4f}, epoch {best.epoch}"
