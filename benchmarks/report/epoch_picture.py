"""Bars: how long everybody takes for one training epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contenders import LABELS
from benchmarks.report.markdown import significant, threads_text
from benchmarks.results_file import Section, sections_by
from benchmarks.summaries import spread
from fmnistlab.plots import save_figure
from fmnistlab.plots.figures import figure_to_draw_on, lay_out
from fmnistlab.plots.style import (
    BLUE,
    INK,
    LARGE,
    MEDIUM,
    SMALL,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LIGHT_BLUE = "#56B4E9"
"""Other ways to use fmnistlab; from the same palette as the other colors."""

LIGHT_GREY = "#B3B3B3"
"""All others."""

TITLES = {"linearnet": "LinearNet", "cnn": "CNN"}


def draw(results: Sequence[Section], path: Path) -> None:
    """Draws the epochs with the largest number of threads that was measured, one model per axes."""
    trainings = sections_by(results, "train")
    threads = max(int(section.settings["threads"]) for section in trainings)
    shown = [section for section in trainings if section.settings["threads"] == threads]
    figure = figure_to_draw_on(None, 5.2 * len(shown), 4.2)
    for axes, section in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        _draw_bars(axes, section)
    lay_out(figure)
    save_figure(figure, path)


def _draw_bars(axes: Axes, section: Section) -> None:
    spreads = {name: spread(section.values(name)) for name in section.measured}
    names = sorted(spreads, key=lambda name: spreads[name].median)
    for place, name in enumerate(names):
        low, median, high, _ = spreads[name]
        color = BLUE if name == "fmnistlab" else LIGHT_GREY
        if name.startswith("fmnistlab_"):
            color = LIGHT_BLUE
        whiskers = [[median - low], [high - median]]
        axes.barh(place, median, color=color, xerr=whiskers, ecolor=INK, capsize=2, height=0.7)
        text = f"  {significant(median)} s"
        axes.text(high, place, text, va="center", fontsize=SMALL, color=INK)
    axes.set_yticks(range(len(names)), [LABELS[name] for name in names], fontsize=SMALL)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max(found.high for found in spreads.values()))
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    settings = section.settings
    axes.set_title(
        f"{TITLES[str(settings['model'])]}, {threads_text(settings['threads'])}",
        fontsize=LARGE,
        color=INK,
        loc="left",
    )
    axes.set_xlabel(
        f"seconds for {settings['images']:,} images; lines: quartiles", fontsize=MEDIUM, color=INK
    )
