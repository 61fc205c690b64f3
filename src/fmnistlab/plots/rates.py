"""The loss over a rising learning rate."""

from __future__ import annotations

from typing import Any

from fmnistlab.plots.figures import FigureT, figure_to_draw_on, lay_out
from fmnistlab.plots.legends import write_legend
from fmnistlab.plots.style import BLUE, INK, MEDIUM, PALE, RUST, VERMILION, frame, title_figure
from fmnistlab.training.rate_range import LearningRateRange


def plot_learning_rate_range(
    found: LearningRateRange, *, title: str = "", figure: FigureT | None = None
) -> FigureT:
    """Draws the losses of a range test over the learning rate, and what they suggest.

    Args:
        found: what `learning_rate_range` returned.
        title: of what, such as "cnn".
        figure: an empty figure or subfigure to draw on; None for a new figure.

    Returns:
        The figure, with one axes.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = figure_to_draw_on(figure, 8.6, 3.6 + (0.3 if title else 0.0))
    axes = figure.subplots()
    plain: dict[str, Any] = {"marker": "", "linestyle": "-"}
    (each,) = axes.plot(found.rates, found.losses, color=PALE, linewidth=1.0, **plain)
    (mean,) = axes.plot(found.rates, found.smoothed, color=BLUE, linewidth=1.8, **plain)
    entries = [(each, "loss of a batch"), (mean, "smoothed")]
    marks = (
        (found.steepest, VERMILION, "--", "falls fastest"),
        (found.largest, RUST, ":", "a tenth of where it explodes"),
    )
    for rate, color, style, words in marks:
        if rate is not None:
            line = axes.axvline(rate, color=color, linewidth=1.4, linestyle=style, marker="")
            entries.append((line, f"{words}: {rate:.2g}"))
    axes.set_xscale("log")
    top = min(max(found.losses), 1.6 * max(found.smoothed[0], min(found.smoothed)))
    axes.set_ylim(0, top)
    axes.set_xlabel("learning rate", fontsize=MEDIUM, color=INK)
    axes.set_ylabel("cross-entropy (nats per image)", fontsize=MEDIUM, color=INK)
    frame(axes)
    write_legend(axes, entries, loc="lower left")
    if title:
        title_figure(figure, title)
    lay_out(figure)
    return figure
