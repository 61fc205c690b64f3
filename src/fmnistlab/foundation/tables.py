"""The one formatter of tables: plain text for terminals, Markdown for pages, LaTeX for papers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.terminal import JOINERS, printable

Cell: TypeAlias = str | float | int | None
"""What a table can hold; None is shown as "-"."""

_GAP: Final = "  "
_SHORTEST: Final = 8


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: what stands above it.
        spec: Python format specification of its numbers, such as ".4f" or ",d"; without one,
            whole numbers get thousands separators and floats four decimals.
        right: whether its cells stand on the right, as numbers do, although they are text.
    """

    title: str
    spec: str = ""
    right: bool = False


def format_table(
    columns: Sequence[str | Column],
    rows: Iterable[Sequence[Cell]],
    *,
    title: str = "",
    width: int = 80,
) -> str:
    """Returns a table as plain text: titles, a rule, then the rows; no line ends in a space.

    Rules and gaps are ASCII. A column that holds numbers is right-aligned, one of text
    left-aligned. When the table is wider than `width`, the widest left-aligned columns are cut
    ("Ankle b...") until it fits or each is down to eight characters; numbers are never cut.

    Args:
        columns: the titles, or `Column` objects where a number format is wanted.
        rows: one sequence of cells for each line, as long as `columns`. Line breaks in text
            and whatever else is not to be seen become escapes; see `foundation.terminal`.
        title: a line above the table.
        width: characters that a line should not exceed.

    Returns:
        The lines, joined by line breaks, without one at the end.

    Raises:
        ConfigurationError: a row has another number of cells than there are columns.
    """
    heads, body, rights = _laid_out(columns, rows)
    cells = [[printable(head.title) for head in heads]]
    cells += [
        [cell_text(cell, head.spec) for cell, head in zip(row, heads, strict=True)] for row in body
    ]
    widths = _fit([max(map(len, column)) for column in zip(*cells, strict=True)], rights, width)
    lines = [
        _GAP.join(
            _cut(text, size).rjust(size) if right else _cut(text, size).ljust(size)
            for text, size, right in zip(line, widths, rights, strict=True)
        ).rstrip()
        for line in cells
    ]
    lines.insert(1, _GAP.join("-" * size for size in widths))
    return "\n".join([printable(title), *lines] if title else lines)


def markdown_table(columns: Sequence[str | Column], rows: Iterable[Sequence[Cell]]) -> str:
    """Returns a table in GitHub's Markdown: titles, the rule that tells the sides, then the rows.

    Text may hold Markdown of one line, such as `code` and links. Its bars are escaped, its line
    breaks become spaces and what is not to be seen becomes escapes (see `foundation.terminal`), so
    each cell stays one cell whatever it holds.

    Args:
        columns: the titles, or `Column` objects where a number format or a side is wanted.
        rows: one sequence of cells for each line, as long as `columns`.

    Returns:
        The lines, joined by line breaks, without one at the end.

    Raises:
        ConfigurationError: a row has another number of cells than there are columns.
    """
    heads, body, rights = _laid_out(columns, rows)
    lines = [
        [_markdown(head.title) for head in heads],
        ["---:" if right else "---" for right in rights],
        *(
            [_markdown(cell, head.spec) for cell, head in zip(row, heads, strict=True)]
            for row in body
        ),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_LATEX: Final = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def latex_table(columns: Sequence[str | Column], rows: Iterable[Sequence[Cell]]) -> str:
    """Returns a table as a `tabular` of LaTeX with the rules of the package booktabs.

    Args:
        columns: as of `markdown_table`.
        rows: likewise; characters that mean something to LaTeX are escaped.

    Raises:
        ConfigurationError: a row has another number of cells than there are columns.
    """
    heads, body, rights = _laid_out(columns, rows)
    texts = [[printable(head.title) for head in heads]]
    texts += [
        [cell_text(cell, head.spec) for cell, head in zip(row, heads, strict=True)] for row in body
    ]
    titles, *lines = (rf"{' & '.join(map(_latex, cells))} \\" for cells in texts)
    sides = "".join("r" if right else "l" for right in rights)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{sides}}}",
            r"\toprule",
            titles,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _markdown(cell: Cell, spec: str = "") -> str:
    line = " ".join(cell.splitlines()) if isinstance(cell, str) else cell
    return cell_text(line, spec).replace("|", "\\|")


def _laid_out(
    columns: Sequence[str | Column], rows: Iterable[Sequence[Cell]]
) -> tuple[list[Column], list[list[Cell]], list[bool]]:
    """Returns columns, rows, and which columns stand on the right.

    Raises:
        ConfigurationError: a row has another number of cells than there are columns.
    """
    heads = [Column(column) if isinstance(column, str) else column for column in columns]
    body = [list(row) for row in rows]
    check_rows(body, len(heads))
    all_numbers = [is_numeric([row[i] for row in body]) for i in range(len(heads))]
    return heads, body, [head.right or all_numbers[i] for i, head in enumerate(heads)]


def check_rows(rows: Sequence[Sequence[object]], columns: int) -> None:
    """Refuses rows that have another number of cells than there are columns.

    Raises:
        ConfigurationError: the message names the first such row, from 1.
    """
    for number, row in enumerate(rows, start=1):
        if len(row) != columns:
            raise ConfigurationError(
                f"row {number} of the table has {len(row)} cells for {columns} columns."
            )


def is_numeric(cells: Sequence[Cell]) -> bool:
    """Returns whether a column holds numbers alone, at least one."""
    present = [cell for cell in cells if cell is not None]
    return bool(present) and not any(isinstance(cell, str) for cell in present)


def cell_text(cell: Cell, spec: str = "") -> str:
    """Returns a cell as text, printable; `spec` is that of its `Column`."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return printable(cell)
    if spec:
        return format(cell, spec)
    if isinstance(cell, int):
        return f"{cell:,}"
    # Four decimals would show a learning rate of 0.00001 as nothing, and 1e+300 on many lines.
    return f"{cell:.1e}" if 0 < abs(cell) < 0.00005 or abs(cell) >= 1e9 else f"{cell:,.4f}"


def _fit(widths: list[int], rights: Sequence[bool], limit: int) -> list[int]:
    """Narrows the widest left-aligned columns, one character at a time, until the table fits."""
    total = sum(widths) + len(_GAP) * (len(widths) - 1)
    shortened = list(widths)
    for _ in range(total - limit):
        texts = [i for i, right in enumerate(rights) if not right and shortened[i] > _SHORTEST]
        if not texts:
            break
        shortened[max(texts, key=lambda i: shortened[i])] -= 1
    return shortened


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 3].rstrip(JOINERS) + "..."
