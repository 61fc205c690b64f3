"""Rich representations for notebooks: HTML without scripts, colors or anything from elsewhere.

Text from outside is made `printable` first and escaped after that, so it neither acts as HTML nor
hides. A page that shows the HTML decides about colors and fonts, light or dark.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from fmnistlab.foundation.tables import Cell, Column, cell_text, check_rows, is_numeric
from fmnistlab.foundation.terminal import printable

CELL_LIMIT: Final = 200
"""Characters that a text in a cell or above a table may have; a longer one loses its middle."""

NOTE_LIMIT: Final = 2000
"""Characters that a sentence below a table may have."""

_LEFT: Final = ' style="text-align: left"'
_RIGHT: Final = ' style="text-align: right"'

_Row = TypeVar("_Row")


@dataclass(frozen=True)
class Picture:
    """A picture in a cell of a table.

    Attributes:
        png: the bytes of a PNG file.
        alternative: what it shows, in words, for readers who do not see it.
        side: width and height on the page, in CSS pixels.
    """

    png: bytes
    alternative: str
    side: int


HtmlCell: TypeAlias = Cell | Picture


def text(content: str, *, limit: int = CELL_LIMIT) -> str:
    """Returns text from outside as HTML that shows it, at most `limit` characters of it."""
    return html.escape(printable(content, limit=limit))


def table(
    columns: Sequence[str | Column],
    rows: Iterable[Sequence[HtmlCell]],
    *,
    caption: str,
    notes: Sequence[str] = (),
) -> str:
    """Returns a table as HTML; the first cell of each row is its heading.

    Args:
        columns: as of `foundation.tables.format_table`.
        rows: one sequence of cells for each line, as long as `columns`. Columns of numbers are
            right-aligned, all others left-aligned.
        caption: what the table shows.
        notes: sentences below the table, each on a line.

    Raises:
        ConfigurationError: a row has another number of cells than there are columns.
    """
    heads = [Column(column) if isinstance(column, str) else column for column in columns]
    body = [list(row) for row in rows]
    check_rows(body, len(heads))
    styles = [_alignment([row[i] for row in body]) for i in range(len(heads))]
    titles = [
        f'<th scope="col"{style}>{text(head.title)}</th>'
        for head, style in zip(heads, styles, strict=True)
    ]
    lines = [f"<table><caption>{text(caption)}</caption>", f"<thead><tr>{''.join(titles)}</tr>"]
    lines.append("</thead><tbody>")
    for row in body:
        cells = [_cell(cell, head.spec) for cell, head in zip(row, heads, strict=True)]
        first = f'<th scope="row"{styles[0]}>{cells[0]}</th>'
        others = zip(cells[1:], styles[1:], strict=True)
        lines.append(f"<tr>{first}{''.join(f'<td{style}>{c}</td>' for c, style in others)}</tr>")
    lines.append("</tbody></table>")
    lines += [f"<p>{text(note, limit=NOTE_LIMIT)}</p>" for note in notes]
    return together(lines)


def facts(caption: str, pairs: Iterable[tuple[str, Cell]]) -> str:
    """Returns names and values as a table of two columns without titles."""
    rows = [
        f'<tr><th scope="row"{_LEFT}>{text(name)}</th><td{_LEFT}>{_cell(value, "")}</td></tr>'
        for name, value in pairs
    ]
    head = f"<table><caption>{text(caption)}</caption><tbody>"
    return together([head, *rows, "</tbody></table>"])


def together(parts: Iterable[str]) -> str:
    """Returns several pieces of HTML as one, below each other."""
    return "\n".join(["<div>", *parts, "</div>"])


def without_middle(rows: Sequence[_Row], most: int) -> tuple[Sequence[_Row], Sequence[_Row], int]:
    """Returns the first and the last rows, together at most `most`, and how many are between."""
    if len(rows) <= most:
        return rows, (), 0
    first = most - most // 2
    return rows[:first], rows[len(rows) - most // 2 :], len(rows) - most


def _alignment(cells: Sequence[HtmlCell]) -> str:
    plain = [cell for cell in cells if not isinstance(cell, Picture)]
    return _RIGHT if len(plain) == len(cells) and is_numeric(plain) else _LEFT


def _cell(cell: HtmlCell, spec: str) -> str:
    if not isinstance(cell, Picture):
        return text(cell_text(cell, spec))
    data = base64.b64encode(cell.png).decode("ascii")
    return (
        f'<img src="data:image/png;base64,{data}" alt="{text(cell.alternative)}" '
        f'width="{cell.side}" height="{cell.side}" style="image-rendering: pixelated">'
    )
