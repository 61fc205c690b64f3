"""Loss and accuracy over the epochs of several models, each trained with several seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy import stats

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import refused
from fmnistlab.plots.epoch_axes import epoch_axes, name_units
from fmnistlab.plots.figures import FigureT, figure_to_draw_on, lay_out
from fmnistlab.plots.legends import HANDLE, LINE, Entries, write_legend
from fmnistlab.plots.style import GREY, RUN_COLORS, SMALL, bare, title_figure
from fmnistlab.plots.words import Ruler
from fmnistlab.shapes import Float
from fmnistlab.training.records.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Band: TypeAlias = Literal["range", "interval"]
"""What lies around a mean over seeds: the range of the seeds, or Student's 95 % interval."""

_BANDS: Final[dict[Band, str]] = {
    "range": "range of the seeds",
    "interval": "95 % interval of the mean (Student's t)",
}
_FEWEST_FOR_INTERVAL: Final = 10
_MARKERS: Final = "osD^vPX"
_MARKS: Final = 6  # on a line
_LONGEST_NAME: Final = 2.2
_WIDTH: Final = 8.6
_HEIGHT: Final = 3.7
_MARGINS: Final = 0.9


class _Variant(NamedTuple):
    """One model with its trainings, as it is drawn."""

    name: str
    histories: Sequence[History]
    validated: bool
    style: dict[str, Any]


def plot_seeds(
    histories: Mapping[str, Sequence[History]],
    *,
    title: str = "",
    figure: FigureT | None = None,
    band: Band | None = None,
) -> FigureT:
    """Draws loss and accuracy over the epochs, of each seed and of the mean over the seeds.

    Thin lines are the seeds, the thick one is their mean; the legend names the band around it.
    Shown are the values of validation, or, of what was not validated with every seed, those of
    training, and the legend says so.

    A mean stands only where every seed has a value: it ends with the shortest training, while the
    thin lines go on, and it has a gap where the value of a seed is nan or infinite. Otherwise seeds
    that stop early, or fail, would make it jump without anything having been learnt.

    Args:
        histories: of each model or recipe, by name, those of its seeds:
            `{"cnn": [trainer.history for trainer in trainers]}`. Each has at least one epoch.
        title: of what, such as "classic recipe".
        figure: an empty figure or subfigure to draw on; None for a new figure.
        band: what lies around the means. "range": from the lowest seed to the highest. "interval":
            the 95 % interval of the mean by Student's t, for other seeds and the same images. None
            takes the range if something has fewer than ten seeds, and else the interval. What has
            one seed has no band.

    Returns:
        The figure, with three axes: loss, accuracy, legend.

    Raises:
        ConfigurationError: there is no history, no epoch of one has finished, or `band` is unknown.
        MissingExtraError: matplotlib is not installed.
    """
    variants = _variants(histories)
    counts = [len(variant.histories) for variant in variants if len(variant.histories) > 1]
    if band is None:
        few = min(counts, default=0) < _FEWEST_FOR_INTERVAL
        band = "range" if few else "interval"
    if band not in _BANDS:
        raise refused("band", band, '"range", "interval" or None')
    above = 0.3 if title else 0.0
    width = (_WIDTH if figure is None else float(figure.bbox.width) / figure.dpi) - _MARGINS
    entries = _entries(variants, band if counts else None, max(1.0, width - HANDLE))
    columns = _columns(entries, width)
    lines = sum(1 + name.count("\n") for _, name in entries)
    room = LINE * math.ceil(lines / columns)
    figure = figure_to_draw_on(figure, _WIDTH, _HEIGHT + above + room)
    height = float(figure.bbox.height) / figure.dpi
    grid = figure.add_gridspec(2, 2, height_ratios=(max(height - above - room, room), room))
    pair = [figure.add_subplot(grid[0, place]) for place in range(2)]
    for axes, metric in zip(pair, ("loss", "accuracy"), strict=True):
        for variant in variants:
            _draw(axes, variant, metric, band)
        epoch_axes(axes, _heading(metric, variants), _most_epochs(variants))
    name_units(*pair)
    below = figure.add_subplot(grid[1, :])
    bare(below)
    write_legend(below, entries, loc="upper left", ncols=columns, borderaxespad=0)
    if title:
        title_figure(figure, title)
    lay_out(figure)
    return figure


def _variants(histories: Mapping[str, Sequence[History] | History]) -> list[_Variant]:
    """Returns what is drawn, with colors and markers.

    Raises:
        ConfigurationError: there is nothing, or a training without epochs.
    """
    if not histories:
        raise ConfigurationError("there are no curves to draw: no history was given.")
    variants = []
    for place, (name, seeds) in enumerate(histories.items()):
        if isinstance(seeds, History) or not seeds:
            raise ConfigurationError(
                f"the histories of {name} must be a list with one for each seed, at least one."
            )
        if not all(seeds):
            raise ConfigurationError(
                f"there are no curves to draw: no epoch of a seed of {name} has finished yet."
            )
        round_trip, color = divmod(place, len(RUN_COLORS))
        marker = _MARKERS[(color + round_trip) % len(_MARKERS)]
        variants.append(
            _Variant(
                name,
                seeds,
                all("val_loss" in history.metric_names for history in seeds),
                {"color": RUN_COLORS[color], "marker": marker},
            )
        )
    return variants


def _most_epochs(variants: Sequence[_Variant]) -> int:
    return max(len(history) for variant in variants for history in variant.histories)


def _heading(metric: str, variants: Sequence[_Variant]) -> str:
    """Returns the title of axes: what was measured, and on which images if all have the same."""
    shown = {variant.validated for variant in variants}
    if len(shown) == 2:
        return metric.capitalize()
    return f"{'Validation' if True in shown else 'Training'} {metric}"


def _draw(axes: Axes, variant: _Variant, metric: str, band: Band) -> None:
    """Draws the seeds, their mean and the band of one variant."""
    color, many = variant.style["color"], band == "interval"
    name = f"val_{metric}" if variant.validated else metric
    seeds = [_values(history, name) for history in variant.histories]
    for values in seeds:
        axes.plot(
            list(values),
            list(values.values()),
            color=color,
            linewidth=0.7,
            linestyle="-",
            # A line of one point would not be seen.
            marker="." if len(values) == 1 else "",
            alpha=0.25 if many else 0.45,
        )
    epochs = sorted(set(seeds[0]).intersection(*seeds[1:]))
    if not epochs:
        return
    rows = np.array([[values[epoch] for epoch in epochs] for values in seeds])
    low, high = _ends(rows, band)
    if len(rows) > 1:
        # The interval of a mean is narrow: it stands out from the seeds, the range holds them.
        look: dict[str, Any] = {"alpha": 0.45, "zorder": 2.5} if many else {"alpha": 0.16}
        axes.fill_between(epochs, low, high, color=color, linewidth=0.8, **look)
    every = max(1, len(epochs) // _MARKS)
    axes.plot(
        epochs,
        rows.mean(axis=0),
        linewidth=1.8,
        linestyle="-",
        markersize=5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        markevery=every,
        zorder=3,
        **variant.style,
    )


def _values(history: History, name: str) -> dict[int, float]:
    """Returns a metric by epoch, nan where it is not finite; epochs without it are left out."""
    measured = {record.epoch: getattr(record, name) for record in history}
    return {
        epoch: value if math.isfinite(value) else math.nan
        for epoch, value in measured.items()
        if value is not None
    }


def _ends(
    rows: Float[np.ndarray, "seeds epochs"], band: Band
) -> tuple[Float[np.ndarray, "epochs"], Float[np.ndarray, "epochs"]]:
    """Returns the lower and the upper end of the band; of one seed, the seed itself."""
    count = len(rows)
    if band == "range" or count == 1:
        return rows.min(axis=0), rows.max(axis=0)
    quantile = float(stats.t.ppf(0.975, count - 1))
    half = quantile * rows.std(axis=0, ddof=1) / math.sqrt(count)
    mean = rows.mean(axis=0)
    return mean - half, mean + half


def _entries(variants: Sequence[_Variant], band: Band | None, width: float) -> Entries:
    """Returns what the legend says, in lines of a width: the variants, then kinds of lines."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - optional, and slow to import

    ruler = Ruler(SMALL)
    entries: list[tuple[Any, str]] = []
    for variant in variants:
        count = len(variant.histories)
        seeds = f"{count} seed{'s' if count > 1 else ''}"
        name = f"{ruler.fit(variant.name, min(_LONGEST_NAME, width))}, {seeds}"
        line = Line2D([], [], linewidth=1.8, markersize=5, **variant.style)
        entries.append((line, name if variant.validated else f"{name}, training"))
    kinds = [] if band is None else _kinds(variants, band)
    return [(mark, ruler.fit(name, width, lines=3)) for mark, name in [*entries, *kinds]]


def _kinds(variants: Sequence[_Variant], band: Band) -> Entries:
    """Returns what the legend says of the kinds of lines."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - optional, and slow to import
    from matplotlib.patches import Patch  # noqa: PLC0415 - matplotlib is optional

    lengths = [{len(history) for history in variant.histories} for variant in variants]
    unequal = any(len(found) > 1 for found in lengths)
    mean = "mean, as far as all seeds went" if unequal else "mean of the seeds"
    return [
        (Line2D([], [], color=GREY, linewidth=1.8), mean),
        (Line2D([], [], color=GREY, linewidth=0.7), "one seed"),
        (Patch(facecolor=GREY, alpha=0.25, linewidth=0), _BANDS[band]),
    ]


def _columns(entries: Entries, width: float) -> int:
    """Returns how many columns of a legend fit into a width in inches, at most three."""
    ruler = Ruler(SMALL)
    widest = max(ruler.width(line) for _, name in entries for line in name.split("\n"))
    return min(3, len(entries), max(1, int(width / (widest + HANDLE))))
