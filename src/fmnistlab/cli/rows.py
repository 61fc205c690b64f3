"""Rows of a data set as words of the command line: `FILE.csv:3,5,10-12`, `bundled:0-9`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from fmnistlab.cli.numbers import parse_ranges
from fmnistlab.errors import ConfigurationError

BUNDLED: Final = "bundled"
"""Stands for the test set that ships with the package."""

MOST_ROWS: Final = 100_000
"""Rows that one list may name."""


class NamedRows(NamedTuple):
    """Rows of a data set.

    Attributes:
        source: a CSV file, or `BUNDLED`.
        bundled: whether it is the latter.
        rows: ranges of rows in the order in which they are wanted; None for all rows.
    """

    source: str
    bundled: bool
    rows: Sequence[range] | None

    def chosen(self, count: int) -> Iterator[int]:
        """Yields the rows.

        Args:
            count: rows that the data set has.

        Raises:
            ConfigurationError: a row is named that it does not have.
        """
        for rows in [range(count)] if self.rows is None else self.rows:
            if rows[-1] >= count:
                raise ConfigurationError(
                    f"{self.source}: there is no row {max(rows[0], count)}; it has {count:,} rows, "
                    f"0 to {count - 1}."
                )
            yield from rows


def split_rows(word: str) -> NamedRows | None:
    """Returns the rows that a word names, or None if it is the name of a picture file.

    Args:
        word: FILE.csv or `bundled`, alone or with a colon and rows. A file of the whole name comes
            first.

    Raises:
        ConfigurationError: what follows the colon is no list of rows, or names too many.
    """
    source, colon, rows = word.partition(":")
    if source != BUNDLED:  # a path may have colons
        source, colon, rows = word.rpartition(":")
    # Unlike Path.exists, this knows no errors: of a name that is too long, the reader tells more.
    exists = os.path.exists(word)  # noqa: PTH110 - see above
    if not exists and colon and (source == BUNDLED or _is_table(source)):
        return NamedRows(
            source, source == BUNDLED, parse_ranges(rows, source=word, item="row", most=MOST_ROWS)
        )
    if not exists and word == BUNDLED:
        return NamedRows(word, bundled=True, rows=None)
    return NamedRows(word, bundled=False, rows=None) if _is_table(word) else None


def _is_table(name: str) -> bool:
    return ".csv" in Path(name).name.lower()
