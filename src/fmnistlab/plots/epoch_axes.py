"""Axes for what changes over the epochs of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmnistlab.plots.style import INK, MEDIUM, frame, title_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def epoch_axes(axes: Axes, title: str, epochs: int) -> None:
    """Gives axes on which lines are drawn a title, whole epochs and a frame."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - optional, and slow to import

    title_axes(axes, title)
    axes.set_xlabel("epoch", fontsize=MEDIUM, color=INK)
    axes.xaxis.set_major_locator(
        MaxNLocator(integer=True, nbins=8, min_n_ticks=1, steps=[1, 2, 5, 10])
    )
    axes.set_xlim(0.5, epochs + 0.5)
    frame(axes)


def name_units(loss: Axes, accuracy: Axes) -> None:
    """Says in which units losses and accuracies are drawn."""
    loss.set_ylabel("cross-entropy (nats per image)", fontsize=MEDIUM, color=INK)
    accuracy.set_ylabel("accuracy (fraction)", fontsize=MEDIUM, color=INK)
