"""Legends whose names are shown as they are, whatever they begin with or hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from fmnistlab.plots.style import INK, SMALL
from fmnistlab.plots.words import LITERAL, Ruler

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    Entries: TypeAlias = Sequence[tuple[Artist | tuple[Artist, ...], str]]
else:
    Entries: TypeAlias = Sequence[tuple[Any, str]]

HANDLE: Final = 0.6
"""Inches of a legend that a name does not have: the line beside it, and the gaps."""

LINE: Final = 0.18
"""Height of a line of a legend in inches."""

_UNDER_AXES: Final = 0.5
_NARROWEST: Final = 1.0


def write_legend(axes: Axes, entries: Entries, **place: Any) -> None:
    """Writes a legend.

    Args:
        axes: where it belongs.
        entries: what stands for each name, and the name.
        **place: options of `Axes.legend` that say where it goes.
    """
    legend = axes.legend(
        [mark for mark, _ in entries],
        [""] * len(entries),
        frameon=True,
        fancybox=False,
        shadow=False,
        facecolor="white",
        edgecolor="none",
        framealpha=0.9,
        fontsize=SMALL,
        labelcolor=INK,
        **place,
    )
    # Written afterwards: a legend leaves out names that begin with an underscore.
    for text, (_, name) in zip(legend.get_texts(), entries, strict=True):
        text.set(text=name, **LITERAL)


def write_legend_below(axes: Axes, entries: Entries, width: float) -> None:
    """Writes a legend under axes and their label, its names broken into lines.

    Args:
        axes: where it belongs.
        entries: what stands for each name, and the name.
        width: of the legend at most, in inches.
    """
    from matplotlib.transforms import ScaledTranslation  # noqa: PLC0415 - optional, slow to import

    ruler = Ruler(SMALL)
    room = max(_NARROWEST, width - HANDLE)
    below = ScaledTranslation(0, -_UNDER_AXES, axes.figure.dpi_scale_trans)
    write_legend(
        axes,
        [(mark, ruler.fit(name, room, lines=3)) for mark, name in entries],
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=axes.transAxes + below,
        borderaxespad=0,
    )
