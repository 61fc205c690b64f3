"""An estimate as a mark: a dot with both its intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.style import BLUE, INK
from fmnistlab.statistics.two_way import Difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fmnistlab.plots.legends import Entries

_THICK: Final[dict[str, Any]] = {
    "color": BLUE,
    "alpha": 0.4,
    "linewidth": 6.5,
    "solid_capstyle": "butt",
    "linestyle": "-",
}
# Bars at its ends: the thin interval may be the shorter one and lie within the thick one.
_THIN: Final[dict[str, Any]] = {"color": INK, "linewidth": 1.2, "linestyle": "-"}
_DOT: Final[dict[str, Any]] = {
    "color": BLUE,
    "marker": "o",
    "markersize": 6,
    "markeredgecolor": "white",
    "markeredgewidth": 1.0,
    "linestyle": "none",
}


def draw_estimate(
    axes: Axes, place: float, estimate: Difference, *, scale: float = 1.0, upright: bool = False
) -> None:
    """Draws a value as a dot, with a thick interval (these images) and a thin one (all images).

    Args:
        axes: what to draw on.
        place: where it stands on the other axis.
        estimate: what to draw.
        scale: that values are multiplied by.
        upright: whether the values run upwards, not to the right.
    """

    def line(ends: tuple[float, ...], **style: Any) -> None:
        values, places = [scale * end for end in ends], [place] * len(ends)
        axes.plot(*((places, values) if upright else (values, places)), **style)

    line(estimate.these_images.interval(), marker="", zorder=2, **_THICK)
    cap = "_" if upright else "|"
    line(estimate.all_images.interval(), marker=cap, markersize=11, zorder=3, **_THIN)
    line((estimate.all_images.value,), zorder=4, **_DOT)


def ends(estimate: Difference) -> list[float]:
    """Returns the ends of both intervals."""
    return [*estimate.these_images.interval(), *estimate.all_images.interval()]


def check_finite(name: str, estimate: Difference) -> None:
    """Refuses an estimate that no picture can show.

    Raises:
        ConfigurationError: a value or an end of an interval is nan or infinite.
    """
    if not all(map(math.isfinite, [estimate.all_images.value, *ends(estimate)])):
        raise ConfigurationError(
            f"the estimate of {name} or an end of its intervals is not a finite number."
        )


def estimate_entries(value: str) -> Entries:
    """Returns what a legend says of the marks.

    Args:
        value: what the dots are.
    """
    from matplotlib.lines import Line2D  # noqa: PLC0415 - optional, and slow to import

    return [
        (Line2D([], [], **_DOT), value),
        (Line2D([], [], **_THICK), "95 % interval, these images: other seeds, same test images"),
        (
            Line2D([], [], marker="|", markersize=8, **_THIN),
            "95 % interval, all images: other seeds, other images of this kind",
        ),
    ]
