"""The figure to draw on: the one that was given, or a new one that shows where figures are shown.

A script that has imported pyplot expects `plt.show`, `plt.savefig` and `plt.gcf` to know every
figure, and a notebook shows at the end of a cell what pyplot knows. Elsewhere nothing would ever
close what pyplot keeps, so a new figure is an object like any other there.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

from fmnistlab.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure
    from typing_extensions import TypeVar

    FigureT = TypeVar("FigureT", bound=Figure | SubFigure, default=Figure)
else:
    from typing import TypeVar

    FigureT = TypeVar("FigureT")

DPI: Final = 150
"""Pixels to the inch in saved pictures; an image pixel is then a whole number of them."""

_off_screen: ContextVar[bool] = ContextVar("_off_screen", default=False)


@contextlib.contextmanager
def off_screen() -> Iterator[None]:
    """Inside, new figures are known to the caller alone: they go into files, nowhere else."""
    token = _off_screen.set(True)
    try:
        yield
    finally:
        _off_screen.reset(token)


def figure_to_draw_on(figure: FigureT | None, width: float, height: float) -> FigureT:
    """Returns `figure`, or a new white one of `width` times `height` inches if it is None.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return cast("FigureT", _new_figure(width, height)) if figure is None else figure


def check_alone(figure: object) -> None:
    """Refuses a figure beside axes.

    Raises:
        ConfigurationError: it is not None.
    """
    if figure is not None:
        raise ConfigurationError("give either ax or figure to draw on, not both.")


def figure_class() -> type[Figure]:
    """Returns matplotlib's class of figures, for one that is not shown.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional, and slow to import
    except ImportError as error:
        raise MissingExtraError(
            "pictures need matplotlib: python -m pip install 'fmnistlab[plot]'"
        ) from error
    return Figure


def _new_figure(width: float, height: float) -> Figure:
    plain = figure_class()
    look: dict[str, Any] = {"figsize": (width, height), "dpi": DPI, "facecolor": "white"}
    notebook = _is_notebook()
    # A window belongs to the main thread.
    main = threading.current_thread() is threading.main_thread()
    if _off_screen.get() or not main or not (notebook or "matplotlib.pyplot" in sys.modules):
        return plain(**look)
    import matplotlib.pyplot as plt  # noqa: PLC0415 - only where figures are shown

    if not notebook:
        return plt.figure(**look)
    from fmnistlab.plots.notebook import NotebookFigure  # noqa: PLC0415 - needs matplotlib

    return plt.figure(**look, FigureClass=NotebookFigure)


def _is_notebook() -> bool:
    """Whether this process executes the cells of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def lay_out(figure: Figure | SubFigure) -> None:
    """Makes room for all labels, once, unless the figure came with a layout of its own.

    Left in force, matplotlib's layout would go on moving the axes by fractions of a pixel at each
    drawing, and no two files would be the same.
    """
    from matplotlib.layout_engine import (  # noqa: PLC0415 - matplotlib is optional
        ConstrainedLayoutEngine,
        PlaceHolderLayoutEngine,
    )

    whole = figure.figure
    # The placeholder is what an earlier call has left.
    if isinstance(whole.get_layout_engine(), PlaceHolderLayoutEngine | None):
        engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.02)
        whole.set_layout_engine(engine)
        engine.execute(whole)  # as a drawing would, before it draws
        whole.set_layout_engine("none")
