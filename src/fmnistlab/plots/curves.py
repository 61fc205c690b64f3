"""Loss and accuracy over the epochs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.style import (
    BLUE,
    INK,
    LARGE,
    MEDIUM,
    PALE,
    SMALL,
    VERMILION,
    figure_to_draw_on,
    lay_out,
    plain,
)
from fmnistlab.training.records.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_MARKERS = 30

_LEGEND_ROOM = 0.4  # of the height of the curves


def plot_curves(history: History, figure: Figure | None = None) -> Figure:
    """Draws loss and accuracy over the epochs, for training and validation.

    Training values are running ones, measured while the weights were changing, so early in a
    training they can be worse than the validation values of the same epoch. A star marks the best
    validated epoch. Values that are nan or infinite leave a gap.

    Args:
        history: at least one finished epoch.
        figure: an empty figure to draw on; None for a new one.

    Returns:
        The figure, with two axes: loss, accuracy.

    Raises:
        ConfigurationError: no epoch has finished.
        MissingExtraError: matplotlib is not installed.
    """
    if not history:
        raise ConfigurationError("there are no curves to draw: no epoch has finished yet.")
    figure = figure_to_draw_on(figure, 8.6, 3.5)
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    _draw(loss_axes, history, "loss")
    _draw(accuracy_axes, history, "accuracy")
    loss_axes.set_ylabel("cross-entropy (nats per image)", fontsize=MEDIUM, color=INK)
    accuracy_axes.set_ylabel("accuracy (fraction)", fontsize=MEDIUM, color=INK)
    lay_out(figure)
    return figure


def _draw(axes: Axes, history: History, metric: str) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - optional, and slow to import

    plain(axes)
    axes.set_title(metric.capitalize(), loc="left", fontsize=LARGE, fontweight="bold", color=INK)
    _line(
        axes,
        history,
        metric,
        color=BLUE,
        linestyle="-",
        marker="o",
        label="training, while learning",
    )
    validation = f"val_{metric}"
    if validation in history.metric_names:
        _line(
            axes,
            history,
            validation,
            color=VERMILION,
            linestyle="--",
            marker="s",
            label="validation",
        )
        _mark_best(axes, history, validation)
    axes.set_xlabel("epoch", fontsize=MEDIUM, color=INK)
    axes.xaxis.set_major_locator(
        MaxNLocator(integer=True, nbins=8, min_n_ticks=1, steps=[1, 2, 5, 10])
    )
    axes.set_xlim(0.5, len(history) + 0.5)
    axes.tick_params(labelsize=SMALL, colors=INK, color=PALE)
    axes.grid(axis="y", color=PALE, linewidth=0.6, linestyle="-")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    # Losses fall and accuracies rise: a corner is made free for the legend, so that it hides none.
    low, high = axes.get_ylim()
    room = _LEGEND_ROOM * (high - low)
    falling = metric == "loss"
    axes.set_ylim(low if falling else low - room, high + room if falling else high)
    axes.legend(
        loc="upper right" if falling else "lower right",
        frameon=True,
        fancybox=False,
        shadow=False,
        facecolor="white",
        edgecolor="none",
        framealpha=0.9,
        fontsize=SMALL,
        labelcolor=INK,
    )


def _line(axes: Axes, history: History, name: str, **style: Any) -> None:
    """Draws one metric; epochs that were not validated are left out, the line goes on past them."""
    records = [record for record in history if getattr(record, name) is not None]
    values = [getattr(record, name) for record in records]
    axes.plot(
        [record.epoch for record in records],
        [value if math.isfinite(value) else math.nan for value in values],
        linewidth=1.8,
        # Markers show where few epochs really are; of many they would make a caterpillar.
        markersize=4 if len(history) <= _MOST_MARKERS else 0,
        **style,
    )


def _mark_best(axes: Axes, history: History, name: str) -> None:
    best = history.best(name)
    value = getattr(best, name)
    if not math.isfinite(value):
        return
    axes.plot(
        [best.epoch],
        [value],
        linestyle="none",
        marker="*",
        markersize=13,
        color=VERMILION,
        markeredgecolor="white",
        markeredgewidth=0.8,
        label=f"best validation: {value:.4f}, epoch {best.epoch}",
        zorder=4,
    )
