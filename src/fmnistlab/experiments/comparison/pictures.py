"""The pictures of a comparison: curves, intervals, accuracy against what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fmnistlab.errors import MissingExtraError
from fmnistlab.experiments.comparison.comparison import Comparison
from fmnistlab.statistics.references import REFERENCES

if TYPE_CHECKING:
    from fmnistlab.plots.tradeoff import Cost

CURVES: Final = "curves.png"
INTERVALS: Final = "intervals.png"
TRADEOFFS: Final[Mapping[Cost, str]] = MappingProxyType(
    {"parameters": "accuracy-parameters.png", "seconds": "accuracy-seconds.png"}
)


def write_pictures(folder: Path, comparison: Comparison) -> tuple[str, ...]:
    """Draws what there is of curves, intervals and trade-offs as PNG files.

    Args:
        folder: where to.
        comparison: of what.

    Returns:
        Why pictures could not be drawn, in words; empty if all could.
    """
    try:
        _draw(folder, comparison)
    except MissingExtraError as error:
        return (f"no pictures were drawn: {error}",)
    return ()


def _draw(folder: Path, comparison: Comparison) -> None:
    from fmnistlab import plots  # noqa: PLC0415 - matplotlib is optional
    from fmnistlab.plots.figures import off_screen  # noqa: PLC0415 - for matplotlib too

    histories = {name: runs for name, runs in comparison.histories.items() if runs}
    differences = {
        f"{pair.one} \N{MINUS SIGN} {pair.other}": pair.difference
        for pair in comparison.pairs
        if pair.difference is not None
    }
    points = [
        plots.TradeoffPoint(
            name=variant.name,
            parameters=variant.parameters,
            seconds=variant.seconds,
            accuracy=variant.estimate,
        )
        for variant in comparison.variants
        if variant.parameters and variant.seconds and variant.estimate is not None
    ]
    figures = {}
    with off_screen():
        if histories:
            figures[CURVES] = plots.plot_seeds(histories)
        if differences:
            figures[INTERVALS] = plots.plot_intervals(differences, smallest=comparison.smallest)
        if points:
            for cost, name in TRADEOFFS.items():
                figures[name] = plots.plot_tradeoff(points, x=cost, references=REFERENCES[:1])
    for name, figure in figures.items():
        plots.save_figure(figure, folder / name)
