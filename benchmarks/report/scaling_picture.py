"""Lines: seconds per 1,000 images over the batch size and over the size of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, LogLocator

from benchmarks.commands.scaling import ALL_IMAGES, NAMES, seconds_per_thousand
from benchmarks.contenders import LABELS
from benchmarks.report.epoch_picture import TITLES
from benchmarks.report.markdown import threads_text
from benchmarks.results_file import Section, sections_by
from benchmarks.summaries import spread
from fmnistlab.plots import save_figure
from fmnistlab.plots.figures import figure_to_draw_on, lay_out
from fmnistlab.plots.style import (
    BLUE,
    GREY,
    INK,
    LARGE,
    MEDIUM,
    PALE,
    SMALL,
    VERMILION,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREEN = "#009E73"
"""From the same palette as the other colors."""

STYLES = {
    "tutorial": (GREY, "s"),
    "dataloader": (VERMILION, "^"),
    "eager": (GREEN, "D"),
    "fmnistlab": (BLUE, "o"),
}
"""Color and mark of each contender, so that nothing is said by color alone."""

USUAL_BATCH_SIZE = 32


def draw(results: Sequence[Section], path: Path) -> None:
    """Draws one row of axes for each model, with the largest number of threads measured."""
    sections = sections_by(results, "scaling")
    threads = max(int(section.settings["threads"]) for section in sections)
    models = list(dict.fromkeys(str(section.settings["model"]) for section in sections))
    figure = figure_to_draw_on(None, 8.4, 3.2 * len(models))
    grid = figure.subplots(len(models), 2, squeeze=False, sharey="row")
    for (left, right), model in zip(grid, models, strict=True):
        chosen = [
            s for s in sections if (s.settings["model"], s.settings["threads"]) == (model, threads)
        ]
        whole = [s for s in chosen if s.settings["images"] == ALL_IMAGES]
        usual = [s for s in chosen if s.settings["batch_size"] == USUAL_BATCH_SIZE]
        _draw_lines(left, whole, "batch_size", "batch size")
        _draw_lines(right, usual, "images", f"images, in batches of {USUAL_BATCH_SIZE}")
        left.set_ylabel("seconds per 1,000 images", fontsize=MEDIUM, color=INK)
        title = f"{TITLES[model]}, {threads_text(threads)}"
        left.set_title(title, fontsize=LARGE, color=INK, loc="left")
    grid[0][1].legend(fontsize=SMALL, frameon=False)
    lay_out(figure)
    save_figure(figure, path)


def _draw_lines(axes: Axes, sections: Sequence[Section], setting: str, label: str) -> None:
    ordered = sorted(sections, key=lambda section: int(section.settings[setting]))
    for name in NAMES:
        color, mark = STYLES[name]
        points = [
            (int(section.settings[setting]), spread(seconds_per_thousand(section, name)))
            for section in ordered
            if section.values(name)
        ]
        if not points:
            continue
        places, spreads = zip(*points, strict=True)
        medians = [found.median for found in spreads]
        below = [found.median - found.low for found in spreads]
        above = [found.high - found.median for found in spreads]
        axes.errorbar(
            places, medians, (below, above), color=color, marker=mark, label=LABELS[name], capsize=2
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = [int(section.settings[setting]) for section in ordered]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()
    axes.tick_params(labelsize=SMALL)
    axes.grid(axis="y", color=PALE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(label, fontsize=MEDIUM, color=INK)
