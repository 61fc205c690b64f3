"""Runs the rows, and writes and reads the table."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tests.parts import (
    averages,
    forwards,
    groups,
    hooks,
    layers,
    loaders,
    losses,
    optimizers,
    pixels,
    recordable,
    weights,
)
from tests.parts.by_hand import train_by_hand
from tests.parts.by_trainer import train_by_trainer
from tests.parts.row import DEFAULT, PLAIN, Case, Row
from torch import Tensor

from fmnistlab.errors import FmnistlabError
from fmnistlab.foundation.tables import markdown_table
from fmnistlab.training.execution import Execution

PAGE = Path(__file__).parents[2] / "docs" / "trainer.md"
START, END = "<!-- parts: start -->", "<!-- parts: end -->"
WAYS = (PLAIN, DEFAULT)
SAME, REFUSED, DIFFERS = "as in a plain loop", "refused by name", "differs"

THEMES: dict[str, list[Row] | list[Row | Case]] = {
    "Optimizers": optimizers.ROWS,
    "Parameter groups, freezing, rates": groups.ROWS,
    "Hooks": hooks.ROWS,
    "Averages and measures": averages.ROWS,
    "Weights and modules in callbacks": weights.ROWS,
    "Data sets and loaders": loaders.ROWS,
    "Losses and labels": losses.ROWS,
    "Pixels and numbers": pixels.ROWS,
    "Models": layers.ROWS,
    "What a model's forward does": forwards.ROWS,
    "Models that can be recorded": recordable.ROWS,
}
ROWS = [row for rows in THEMES.values() for row in rows]


def missing(row: Row | Case) -> list[str]:
    """Returns the packages that a row needs and that are not installed."""
    return [package for package in row.needs if importlib.util.find_spec(package) is None]


def verdict(row: Row | Case, way: Execution) -> str:
    """Returns what the trainer does with a part.

    Raises:
        AssertionError: neither what a plain loop does, nor a refusal by name.
    """
    recorded = False
    try:
        if isinstance(row, Case):
            row.run(way)
        else:
            recorded = compared(row, way)
    except FmnistlabError as error:
        if row.refused is None or row.refused not in str(error):
            raise AssertionError(f"{type(error).__name__}: {error}") from error
        return REFUSED
    assert row.refused is None, "it is not refused"
    return f"{SAME}, recorded" if recorded else SAME


def compared(row: Row, way: Execution) -> bool:
    """Compares the trainer's training with the one by hand; returns whether it was recorded.

    Recorded steps add numbers in another order. In these fits, 15 steps at a rate of at most 0.1,
    that changes a weight by some 1e-7 of its size in each step.
    """
    if row.refused is not None:  # by hand it may end in an error of torch
        return train_by_trainer(row, way).recorded
    wanted = train_by_hand(row)
    trained = train_by_trainer(row, way)
    compare(wanted, trained.values, exactly=way == PLAIN)
    if row.saved:
        saved = train_by_trainer(row, way, saved=True)
        compare(wanted, saved.values, exactly=way == PLAIN)
    return trained.recorded


def compare(wanted: Mapping[str, Any], found: Mapping[str, Any], *, exactly: bool) -> None:
    """Asserts that two trainings have made the same.

    Args:
        wanted: what the loop by hand has made.
        found: what the trainer has made.
        exactly: whether to the last bit; else but for rounding.
    """
    assert wanted.keys() == found.keys(), wanted.keys() ^ found.keys()
    for name, value in wanted.items():
        other = found[name]
        if not isinstance(value, Tensor) or not isinstance(other, Tensor):
            assert value == other, f"{name}: {value} by hand, {other} by the trainer"
        elif exactly or not value.is_floating_point():
            assert value.dtype == other.dtype, name
            assert torch.equal(value, other), f"{name} differs by {distance(value, other)}"
        else:
            near = torch.allclose(value, other, rtol=1e-3, atol=1e-5)
            assert near, f"{name} differs by {distance(value, other)}"


def distance(one: Tensor, other: Tensor) -> str:
    """Returns the largest difference in words."""
    if one.shape != other.shape:
        return f"shape, {tuple(one.shape)} and {tuple(other.shape)}"
    return f"up to {float((one.double() - other.double()).abs().max()):.2g}"


def table(cells: Mapping[tuple[str, Execution], str]) -> str:
    """Returns the table, given what comes out by part and way."""
    lines = []
    for theme, rows in THEMES.items():
        lines.append([f"**{theme}**", *[""] * len(WAYS)])
        lines += [[row.part, *(cells[row.part, way] for way in WAYS)] for row in rows]
    return markdown_table(["part", "plain steps", "default"], lines)


def with_table(page: str, content: str) -> str:
    """Returns the page with the table between its two comments."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{content}\n\n{END}{after}"


def written() -> dict[tuple[str, Execution], str]:
    """Returns what the page says, by part and way."""
    text = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.strip().splitlines()]
    return {(row[0], way): row[1 + i] for row in rows[2:] if row[1] for i, way in enumerate(WAYS)}
