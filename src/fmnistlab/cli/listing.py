"""What packages offer, models or recipes, as a table; what cannot be used is told below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fmnistlab.cli import output


def print_offers(
    found: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    unreadable: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """Prints offers.

    Args:
        found: each with "name", "error" and all that a column shows.
        columns: titles by the keys of what stands below them.
        unreadable: sentences about packages whose offers are missing.
        as_json: whether all of it is printed as JSON.
    """
    from fmnistlab.foundation.tables import format_table
    from fmnistlab.foundation.terminal import one_line

    for sentence in unreadable:
        output.note(sentence)
    if as_json:
        output.json_result(found)
        return
    rows = [[entry[key] for key in columns] for entry in found]
    output.result_block(format_table(list(columns.values()), rows))
    for entry in found:
        if entry["error"] is not None:
            output.result()
            output.result(one_line(f"{entry['name']} cannot be used: {entry['error']}"))
