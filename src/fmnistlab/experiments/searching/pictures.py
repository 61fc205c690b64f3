"""The pictures of a search: how it went, and what each setting did."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fmnistlab.errors import MissingExtraError
from fmnistlab.experiments.searching.result import Search

HISTORY: Final = "history.png"
SLICES: Final = "slices.png"


def write_pictures(folder: Path, search: Search) -> tuple[str, ...]:
    """Draws the pictures as PNG files.

    Args:
        folder: where to.
        search: of what.

    Returns:
        Why pictures could not be drawn, in words; empty if all could.
    """
    try:
        _draw(folder, search)
    except MissingExtraError as error:
        return (f"no pictures were drawn: {error}",)
    return ()


def _draw(folder: Path, search: Search) -> None:
    from fmnistlab import plots  # noqa: PLC0415 - matplotlib is optional
    from fmnistlab.plots.figures import off_screen  # noqa: PLC0415 - for matplotlib too

    points = [
        plots.SearchPoint(trial.number, trial.settings, trial.val_accuracy, trial.state == "done")
        for trial in search.trials
        if trial.val_accuracy is not None
    ]
    logs = [name for name, dimension in search.space.items() if dimension.get("log")]
    with off_screen():
        history = plots.plot_search_history(points)
        slices = plots.plot_search_slices(points, logarithmic=logs)
    plots.save_figure(history, folder / HISTORY)
    plots.save_figure(slices, folder / SLICES)
