"""Where each image of a sheet goes, in inches, so that nothing overlaps and pixels stay square."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic

from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.figures import FigureT, figure_to_draw_on
from fmnistlab.plots.style import INK, LARGE
from fmnistlab.plots.words import LITERAL, Ruler

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN: Final = 0.12
TITLE_LINES: Final = 3
_TITLE_LINE: Final = 0.19
_UNDER_TITLE: Final = 0.11
_NARROWEST_TITLE: Final = 4.0


@dataclass(frozen=True)
class Sheet:
    """A grid of equal cells under a title; all lengths are inches.

    Attributes:
        count: number of cells in use; at least 1.
        columns: cells side by side.
        cell_width: width of a cell.
        cell_height: height of a cell.
        gap: room between two cells, both ways.
        left: room to the left of the grid.
        title: above the grid; broken into lines, and without its middle if it is very long.

    Raises:
        ConfigurationError: there is no cell, or no column.
    """

    count: int
    columns: int
    cell_width: float
    cell_height: float
    gap: float = 0.0
    left: float = 0.0
    title: str = ""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigurationError("there is nothing to draw: no images were given.")
        if self.columns < 1:
            raise ConfigurationError(f"columns must be at least 1, not {self.columns}.")

    def on(self, figure: FigureT | None) -> Grid[FigureT]:
        """Returns the grid on a figure, or on a new one of fitting size, with the title there.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        across, down = min(self.count, self.columns), -(-self.count // self.columns)
        width = self.left + across * (self.cell_width + self.gap) - self.gap
        height = down * (self.cell_height + self.gap) - self.gap
        title, above = "", 0.0
        if self.title:
            ruler = Ruler(LARGE, bold=True)
            title = ruler.fit(self.title, max(width, _NARROWEST_TITLE), TITLE_LINES)
            width = max(width, *map(ruler.width, title.split("\n")))
            above = (title.count("\n") + 1) * _TITLE_LINE + _UNDER_TITLE
        width, height = width + 2 * MARGIN, height + above + 2 * MARGIN
        page = figure_to_draw_on(figure, width, height)
        scale = 1.0
        if figure is not None:
            full_width, full_height = page.bbox.width / page.dpi, page.bbox.height / page.dpi
            scale = min(full_width / width, full_height / height)
            width, height = full_width / scale, full_height / scale
        if title:
            page.text(
                MARGIN / width,
                1 - MARGIN / height,
                title,
                fontsize=LARGE * scale,
                fontweight="bold",
                color=INK,
                va="top",
                **LITERAL,
            )
        return Grid(self, page, width, height, above, scale)


@dataclass(frozen=True)
class Grid(Generic[FigureT]):
    """A sheet on a figure.

    Attributes:
        sheet: what it is like.
        figure: what it is on.
        width: of the figure, in inches of the sheet.
        height: of the figure, in inches of the sheet.
        above: room for the title.
        scale: inches of the figure in an inch of the sheet. It is 1 on a new figure; on one that
            was given, all lengths and letters are scaled until the sheet fits.
    """

    sheet: Sheet
    figure: FigureT
    width: float
    height: float
    above: float
    scale: float

    def axes(self, cell: int, *, left: float, top: float, width: float, height: float) -> Axes:
        """Adds axes in a cell.

        Args:
            cell: number of the cell, from 0, row by row.
            left: distance from the left side of the cell.
            top: distance from the top of the cell.
            width: of the axes.
            height: of the axes.
        """
        sheet = self.sheet
        row, column = divmod(cell, sheet.columns)
        x = MARGIN + sheet.left + column * (sheet.cell_width + sheet.gap) + left
        y = MARGIN + self.above + row * (sheet.cell_height + sheet.gap) + top
        place = x / self.width, 1 - (y + height) / self.height
        return self.figure.add_axes((*place, width / self.width, height / self.height))
