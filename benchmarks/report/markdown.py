"""Numbers as a report shows them, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.summaries import Spread
from fmnistlab.foundation.tables import Column, markdown_table


def significant(number: float, digits: int = 3) -> str:
    """Returns a number with so many significant digits and never with an exponent."""
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    exponent = int(f"{number:.{digits - 1}e}".partition("e")[2])  # of the rounded number
    decimals = digits - 1 - exponent
    return f"{round(number, decimals):,.{max(decimals, 0)}f}"


def threads_text(threads: object) -> str:
    """Returns "1 thread" or "2 threads"."""
    return "1 thread" if threads == 1 else f"{threads} threads"


def with_quartiles(spread: Spread) -> str:
    """Returns "median (lower quartile to upper quartile)", or the number alone if it is one."""
    if spread.size == 1:
        return significant(spread.median)
    low, high = significant(spread.low), significant(spread.high)
    return f"{significant(spread.median)} ({low} to {high})"


def figures(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown: the first column stands left, all others stand right."""
    first, *others = header
    return markdown_table([first, *(Column(title, right=True) for title in others)], rows)
