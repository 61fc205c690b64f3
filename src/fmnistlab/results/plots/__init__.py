"""Pictures of data, trainings and mistakes, drawn with matplotlib (the extra "plot").

Each function returns a `matplotlib.figure.Figure` and can be given one to draw on; nothing is
shown, written to disk or kept. In a notebook, run ``%matplotlib inline`` once and a figure at the
end of a cell is displayed; elsewhere, hand it to `save_figure`.
"""

from __future__ import annotations

from fmnistlab.results.plots.confusion import plot_confusion
from fmnistlab.results.plots.curves import plot_curves
from fmnistlab.results.plots.mistakes import plot_mistakes
from fmnistlab.results.plots.probabilities import plot_predictions
from fmnistlab.results.plots.samples import plot_images, plot_samples
from fmnistlab.results.plots.saving import save_figure

__all__ = [
    "plot_confusion",
    "plot_curves",
    "plot_images",
    "plot_mistakes",
    "plot_predictions",
    "plot_samples",
    "save_figure",
]
