"""Where each image of a sheet goes, in inches, so that nothing overlaps and pixels stay square."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.style import INK, LARGE, figure_to_draw_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 0.12
_HEADING = 0.3
_LETTER = 0.105  # inches for a bold letter of LARGE size, on the safe side of the average


@dataclass(frozen=True)
class Sheet:
    """A grid of equal cells under a heading; all lengths are inches.

    Attributes:
        count: number of cells in use; at least 1.
        columns: cells side by side.
        cell_width: width of a cell.
        cell_height: height of a cell.
        gap: room between two cells, both ways.
        heading: one line above the grid; "" for none.

    Raises:
        ConfigurationError: there is no cell, or no column.
    """

    count: int
    columns: int
    cell_width: float
    cell_height: float
    gap: float = 0.0
    heading: str = ""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigurationError("there is nothing to draw: no images were given.")
        if self.columns < 1:
            raise ConfigurationError(f"columns must be at least 1, not {self.columns}.")

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the whole."""
        across, down = min(self.count, self.columns), -(-self.count // self.columns)
        width = across * (self.cell_width + self.gap) - self.gap
        height = down * (self.cell_height + self.gap) - self.gap
        width = max(width, _LETTER * len(self.heading))
        return width + 2 * MARGIN, height + 2 * MARGIN + self._above

    @property
    def _above(self) -> float:
        return _HEADING if self.heading else 0.0

    def figure(self, figure: Figure | None) -> Figure:
        """Returns the figure to draw on with the heading already there.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        width, height = self.size
        figure = figure_to_draw_on(figure, width, height)
        if self.heading:
            figure.text(
                MARGIN / width,
                1 - MARGIN / height,
                self.heading,
                fontsize=LARGE,
                fontweight="bold",
                color=INK,
                va="top",
            )
        return figure

    def axes(
        self, figure: Figure, cell: int, *, left: float, top: float, width: float, height: float
    ) -> Axes:
        """Adds axes in a cell.

        Args:
            figure: what `figure` returned.
            cell: number of the cell, from 0, row by row.
            left: distance from the left side of the cell.
            top: distance from the top of the cell.
            width: of the axes.
            height: of the axes.
        """
        row, column = divmod(cell, self.columns)
        full_width, full_height = self.size
        x = MARGIN + column * (self.cell_width + self.gap) + left
        y = MARGIN + self._above + row * (self.cell_height + self.gap) + top
        return figure.add_axes(
            (
                x / full_width,
                1 - (y + height) / full_height,
                width / full_width,
                height / full_height,
            )
        )
