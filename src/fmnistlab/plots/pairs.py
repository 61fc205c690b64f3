"""Pairs of images side by side, with a few words above each pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fmnistlab.data.schema import IMAGE_SIZE
from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.figures import DPI, FigureT
from fmnistlab.plots.grid import Sheet
from fmnistlab.plots.style import INK, SMALL, Images, brightness, show_image
from fmnistlab.plots.words import LITERAL, Ruler

_SIDE: Final = 6 * IMAGE_SIZE / DPI
_BETWEEN: Final = 2 / DPI
_GAP: Final = 0.25
_LINE: Final = 0.15


def plot_pairs(
    one: Images,
    other: Images,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 4,
    title: str = "",
    figure: FigureT | None = None,
) -> FigureT:
    """Draws each image beside the one that belongs to it.

    Args:
        one: uint8 0..255 or floats 0..1, shape (rows, 28, 28) or (rows, 1, 28, 28).
        other: as many.
        titles: a short text above each pair; broken into at most four lines.
        columns: pairs in a row.
        title: above them all.
        figure: an empty figure or subfigure to draw on; None for a new figure of fitting size.

    Returns:
        The figure, with two axes for each pair, in order.

    Raises:
        ConfigurationError: there are no pairs, not equally many images on both sides or not one
            title for each pair, or the images are of another shape or range.
        MissingExtraError: matplotlib is not installed.
    """
    left, right = brightness(one), brightness(other)
    if len(left) != len(right) or (titles is not None and len(titles) != len(left)):
        raise ConfigurationError(
            f"{len(left)} images need as many beside them, not {len(right)}, and as many titles if "
            "there are any."
        )
    width = 2 * _SIDE + _BETWEEN
    ruler = Ruler(SMALL)
    shown = [ruler.fit(text, width + _GAP / 2, lines=4) for text in titles or ()]
    above = _LINE * max((text.count("\n") + 1 for text in shown), default=0) + 0.04
    grid = Sheet(len(left), columns, width, _SIDE + above, gap=_GAP, title=title).on(figure)
    for cell, pictures in enumerate(zip(left, right, strict=True)):
        for side, picture in enumerate(pictures):
            place = side * (_SIDE + _BETWEEN)
            axes = grid.axes(cell, left=place, top=above, width=_SIDE, height=_SIDE)
            show_image(axes, picture)
            if shown and side == 0:
                look: dict[str, Any] = {"fontsize": SMALL * grid.scale, "color": INK}
                look["transform"] = axes.transAxes
                axes.text(0.0, 1 + 0.04 / _SIDE, shown[cell], **look, **LITERAL)
    return grid.figure
