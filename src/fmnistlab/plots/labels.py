"""Where texts go among points: near what they name, on nothing else, and inside of the axes.

All lengths are inches on the figure, from its lower left corner. Each text takes, of all places in
a fine grid, the one that covers the least, and of those the nearest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fmnistlab.plots.style import GREY, INK, SMALL
from fmnistlab.plots.words import LITERAL, Ruler
from fmnistlab.shapes import Bool, Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEP: Final = 0.05
_LINE: Final = SMALL * 1.25 / 72
_MARGIN: Final = 0.04
_NEAR: Final = 0.14
_BESIDE: Final = 0.1
_SAME: Final = 0.02
_OTHER_NEAR: Final = 0.05
_LEADER: Final[dict[str, Any]] = {
    "arrowstyle": "-",
    "color": GREY,
    "linewidth": 0.7,
    "shrinkA": 3,
    "shrinkB": 0,
}
_LEADER_PIECES: Final = 16
# How bad it is to cover what; a place is worse by these than any other by its distance.
_TEXT: Final = 100.0
_MARK: Final = 10.0
_CROSSED: Final = 3.0
_AMBIGUOUS: Final = 0.3  # this one is as bad as to be so much farther away


class Box(NamedTuple):
    """A rectangle on the figure."""

    left: float
    bottom: float
    right: float
    top: float


class Labels:
    """Texts among the marks of some axes, none on another.

    Args:
        axes: what they are on; limits and layout must be final.
    """

    def __init__(self, axes: Axes) -> None:
        self._axes = axes
        extent = axes.get_window_extent()
        dpi = axes.figure.dpi
        self.inside: Box = Box(*(float(side) / dpi for side in extent.extents))
        self._ruler = Ruler(SMALL)
        self._points: list[tuple[float, float]] = []
        self._marks: list[Box] = []
        self._texts: list[Box] = []
        self._leaders: list[Box] = []

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Returns where on the figure a point of the data is."""
        place = self._axes.transData.transform((x, y)) / self._axes.figure.dpi
        return float(place[0]), float(place[1])

    def keep_free(self, box: Box) -> None:
        """Marks a rectangle as one that a text should not cover."""
        self._marks.append(box)

    def keep_apart(self, point: tuple[float, float]) -> None:
        """Marks a place on the figure as a point that a name beside it would seem to belong to."""
        self._points.append(point)

    def name_point(self, text: str, x: float, y: float, width: float) -> None:
        """Writes a text of one line near a point, with a line to it if it is not beside it.

        Args:
            text: any text; without its middle if it is wider than `width`.
            x: of the point, in data.
            y: of the point, in data.
            width: of the text at most.
        """
        point = self.at(x, y)
        shown = self._ruler.fit(text, width)
        size = self._ruler.width(shown), _LINE
        beside = point[0] + _BESIDE, point[1] - size[1] / 2
        lefts, bottoms = self._grid(*size, beside)
        near_x = np.clip(point[0], lefts, lefts + size[0])
        near_y = np.clip(point[1], bottoms, bottoms + size[1])
        far = np.hypot(near_x - point[0], near_y - point[1])
        # To the right and level is where a name is looked for first.
        cost = far + 0.05 * (near_x <= point[0]) + 0.1 * abs(bottoms - beside[1])
        cost += self._covered(lefts, bottoms, *size)
        cost += _CROSSED * self._crossed(point, near_x, near_y, far)
        ambiguous = self._ambiguous(point, lefts, bottoms, size, far)
        cost += _AMBIGUOUS * ambiguous
        best = np.unravel_index(int(cost.argmin()), cost.shape)
        end = float(near_x[best]), float(near_y[best])
        if far[best] > _NEAR or ambiguous[best]:
            self._lead(point, end)
        self._write(shown, float(lefts[best]), float(bottoms[best]), size)

    def name_line(self, text: str, y: float, width: float) -> None:
        """Writes a text of one line just above or below a horizontal line, to the left if it can.

        Args:
            text: any text; without its middle if it is wider than `width`.
            y: of the line, in data.
            width: of the text at most.
        """
        _, height = self.at(0 if self._axes.get_xscale() == "linear" else 1, y)
        shown = self._ruler.fit(text, width)
        size = self._ruler.width(shown), _LINE
        lefts, _ = self._grid(*size, self.inside[:2])
        gap = 0.02
        rows = np.array([[height + gap], [height - gap - size[1]]])
        lefts, bottoms = np.broadcast_arrays(lefts[:1], rows)
        outside = (bottoms < self.inside.bottom) | (bottoms + size[1] > self.inside.top)
        cost = 0.01 * (lefts - self.inside.left) + 0.05 * (bottoms < height) + 2 * _TEXT * outside
        cost = cost + self._covered(lefts, bottoms, *size)
        best = np.unravel_index(int(cost.argmin()), cost.shape)
        self._write(shown, float(lefts[best]), float(bottoms[best]), size)

    def _grid(
        self, width: float, height: float, through: tuple[float, float]
    ) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]]:
        """Returns left sides and bottoms of all places for a text, `through` being one of them."""
        first_x, first_y = self.inside.left + _MARGIN, self.inside.bottom + _MARGIN
        first_x += (through[0] - first_x) % _STEP
        first_y += (through[1] - first_y) % _STEP
        last_x, last_y = self.inside.right - _MARGIN - width, self.inside.top - _MARGIN - height
        lefts = np.arange(first_x, max(first_x, last_x) + 1e-9, _STEP)
        bottoms = np.arange(first_y, max(first_y, last_y) + 1e-9, _STEP)
        across, up = np.meshgrid(lefts, bottoms)
        return across, up

    def _covered(
        self,
        lefts: Float[np.ndarray, "rows columns"],
        bottoms: Float[np.ndarray, "rows columns"],
        width: float,
        height: float,
    ) -> Float[np.ndarray, "rows columns"]:
        """Returns how bad it is to cover what is there."""
        cost = np.zeros(lefts.shape)
        kinds = (self._texts, _TEXT), (self._marks, _MARK), (self._leaders, _CROSSED)
        for boxes, weight in kinds:
            for box in boxes:
                beside = (lefts + width <= box.left) | (lefts >= box.right)
                cost += weight * ~(beside | (bottoms + height <= box.bottom) | (bottoms >= box.top))
        return cost

    def _ambiguous(
        self,
        point: tuple[float, float],
        lefts: Float[np.ndarray, "rows columns"],
        bottoms: Float[np.ndarray, "rows columns"],
        size: tuple[float, float],
        far: Float[np.ndarray, "rows columns"],
    ) -> Bool[np.ndarray, "rows columns"]:
        """Returns where another point is as near to the text as its own."""
        found = np.zeros(lefts.shape, dtype=bool)
        for x, y in self._points:
            if np.hypot(x - point[0], y - point[1]) > _SAME:
                across = np.clip(x, lefts, lefts + size[0]) - x
                up = np.clip(y, bottoms, bottoms + size[1]) - y
                found |= np.hypot(across, up) < far + _OTHER_NEAR
        return found

    def _crossed(
        self,
        point: tuple[float, float],
        near_x: Float[np.ndarray, "rows columns"],
        near_y: Float[np.ndarray, "rows columns"],
        far: Float[np.ndarray, "rows columns"],
    ) -> Float[np.ndarray, "rows columns"]:
        """Returns how many texts a line from a point to each place would cross."""
        crossed = np.zeros(near_x.shape)
        share = np.linspace(0, 1, _LEADER_PIECES)[:, None, None]
        x = point[0] + share * (near_x - point[0])
        y = point[1] + share * (near_y - point[1])
        for box in self._texts:
            within = (x > box.left) & (x < box.right) & (y > box.bottom) & (y < box.top)
            crossed += within.any(axis=0)
        return crossed * (far > _NEAR)

    def _lead(self, point: tuple[float, float], end: tuple[float, float]) -> None:
        """Draws a line from a point to its text; later texts go around it."""
        self._axes.annotate(
            "",
            self._fraction(*end),
            xytext=self._fraction(*point),
            xycoords="axes fraction",
            textcoords="axes fraction",
            arrowprops=_LEADER,
            zorder=3,
        )
        for share in np.linspace(0, 1, _LEADER_PIECES).tolist():
            x = point[0] + share * (end[0] - point[0])
            y = point[1] + share * (end[1] - point[1])
            self._leaders.append(Box(x - 0.01, y - 0.01, x + 0.01, y + 0.01))

    def _write(self, text: str, left: float, bottom: float, size: tuple[float, float]) -> None:
        gap = 0.02
        self._texts.append(
            Box(left - gap, bottom - gap, left + size[0] + gap, bottom + size[1] + gap)
        )
        from matplotlib.patheffects import withStroke  # noqa: PLC0415 - optional, slow to import

        self._axes.text(
            *self._fraction(left, bottom + size[1] / 2),
            text,
            transform=self._axes.transAxes,
            va="center",
            fontsize=SMALL,
            color=INK,
            zorder=5,
            path_effects=[withStroke(linewidth=2.5, foreground="white", alpha=0.8)],
            **LITERAL,
        )

    def _fraction(self, x: float, y: float) -> tuple[float, float]:
        """Returns a place on the figure as fractions of the axes."""
        left, bottom, right, top = self.inside
        return (x - left) / (right - left), (y - bottom) / (top - bottom)
