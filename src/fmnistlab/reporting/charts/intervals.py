"""Estimates with both their intervals, one below the other; and accuracy against what it costs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

from fmnistlab.reporting.charts.frame import (
    WIDTH,
    Scale,
    axes,
    chart,
    line,
    log_ticks,
    padded,
    round_ticks,
    short_name,
    text,
    tick_text,
)
from fmnistlab.reporting.charts.lines import mark
from fmnistlab.statistics.two_way import Difference

_ROW: Final = 46.0
_TOP: Final = 6.0
_EDGE: Final = 14.0
_LONGEST: Final = 52
_LONGEST_BESIDE: Final = 24
"""Letters of a name above its row, and beside its dot."""
_LETTER, _LINE = 7.5, 15.0
"""Width of a letter and height of a line of names, in the units of the chart."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One estimate.

    Attributes:
        name: of what.
        estimate: the value with both its uncertainties, fractions.
        number: of the series, which decides about color and mark.
    """

    name: str
    estimate: Difference
    number: int


def intervals_chart(
    name: str,
    title: str,
    label: str,
    rows: Sequence[Row],
    *,
    factor: float = 1.0,
    smallest: float | None = None,
) -> Markup:
    """Returns estimates with their intervals: thick for these images, thin for all images.

    Args:
        name: an id that no other chart of the page has.
        title: what it shows.
        label: what the axis means.
        rows: what is drawn, from top to bottom.
        factor: by which fractions are multiplied, 100 for points.
        smallest: smallest difference of interest, a fraction: a band around 0 is drawn then.
    """
    values = [end for row in rows for end in _ends(row.estimate)]
    if smallest is not None:
        values += [-smallest, smallest, 0.0]
    low, high = padded([factor * value for value in values], least=0.002)
    bottom = _TOP + _ROW * len(rows)
    x = Scale(low, high, _EDGE, WIDTH - _EDGE)
    ticks = round_ticks(low, high)
    parts = []
    if smallest is not None:
        left, right = x(-factor * smallest), x(factor * smallest)
        parts.append(
            Markup('<rect x="{}" y="{}" width="{}" height="{}" class="band"/>').format(
                left, _TOP, round(right - left, 2), bottom - _TOP
            )
        )
        parts.append(line(x(0), _TOP, x(0), bottom, "axis"))
    parts += [
        line(x(tick), _TOP, x(tick), bottom, "grid") for tick in ticks if tick or not smallest
    ]
    parts.append(line(x.start, bottom, x.end, bottom, "axis"))
    for tick in ticks:
        parts.append(text(x(tick), bottom + 18, tick_text(tick, ticks)))
    parts.append(text(WIDTH / 2, bottom + 36, label, kind="label"))
    for number, row in enumerate(rows):
        middle = _TOP + _ROW * number + 30
        all_low, all_high, low_these, high_these = (factor * end for end in _ends(row.estimate))
        value = x(factor * row.estimate.all_images.value)
        kind = f"s{row.number % 7}"
        short = short_name(row.name, _LONGEST)
        parts += [
            text(_EDGE, middle - 13, short, anchor="start", kind=f"row t{row.number % 7}"),
            line(x(all_low), middle, x(all_high), middle, f"whisker {kind}"),
            line(x(low_these), middle, x(high_these), middle, f"thick {kind}"),
            mark(value, middle, row.number),
        ]
    told = "; ".join(
        f"{row.name} {factor * row.estimate.all_images.value:.4g}" for row in rows[:20]
    )
    description = f"{told}. All numbers are in the tables of this page."
    return chart(name, bottom + 46, title, description, parts)


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a way to train costs and reaches.

    Attributes:
        name: of it.
        cost: above 0.
        accuracy: the mean over seeds with both its uncertainties.
        number: of the series.
    """

    name: str
    cost: float
    accuracy: Difference
    number: int


class _Name(NamedTuple):
    """Where a name stands."""

    left: float
    right: float
    y: float

    def covers(self, other: _Name) -> bool:
        """Tells whether two names would be hard to read."""
        apart = self.right < other.left or other.right < self.left
        return not apart and abs(self.y - other.y) < _LINE


def costs_chart(name: str, title: str, label: str, points: Sequence[Cost]) -> Markup:
    """Returns accuracy against a cost, on a scale where equal ratios are equally far apart.

    Args:
        name: an id that no other chart of the page has.
        title: what it shows.
        label: what the cost is.
        points: at least one.
    """
    height, left, right, top, bottom = 300.0, 56.0, WIDTH - 24, 34.0, 252.0
    costs = [math.log10(point.cost) for point in points]
    room = max(0.25, 0.2 * (max(costs) - min(costs)))
    cheap, dear = 10 ** (min(costs) - room), 10 ** (max(costs) + room)
    low, high = padded(
        [end for point in points for end in _ends(point.accuracy)], least=0.004, part=0.18
    )
    x = Scale(cheap, dear, left, right, logarithmic=True)
    y = Scale(low, high, bottom, top)
    parts = [
        axes(
            x,
            y,
            x_ticks=log_ticks(cheap, dear),
            y_ticks=round_ticks(low, high),
            x_label=label,
            y_label="accuracy",
        )
    ]
    names: list[_Name] = []
    for point in sorted(points, key=lambda point: -point.accuracy.all_images.value):
        place, kind = x(point.cost), f"s{point.number % 7}"
        all_low, all_high, low_these, high_these = _ends(point.accuracy)
        parts += [
            line(place, y(all_low), place, y(all_high), f"whisker {kind}"),
            line(place, y(low_these), place, y(high_these), f"thick {kind}"),
            mark(place, y(point.accuracy.all_images.value), point.number),
        ]
        short = short_name(point.name, _LONGEST_BESIDE)
        after = place < (left + right) / 2
        wide = _LETTER * len(short)
        start = place + 10 if after else place - 10 - wide
        stands = _Name(start, start + wide, y(point.accuracy.all_images.value) + 4)
        while any(stands.covers(other) for other in names):
            stands = stands._replace(y=stands.y + 1)
        names.append(stands)
        parts.append(
            text(
                stands.left if after else stands.right,
                stands.y,
                short,
                anchor="start" if after else "end",
                kind=f"name t{point.number % 7}",
            )
        )
    told = "; ".join(
        f"{point.name}: {point.cost:,.6g}, {point.accuracy.all_images.value:.4f}"
        for point in points[:20]
    )
    return chart(name, height, title, f"{told}. All numbers are in the table above.", parts)


def _ends(estimate: Difference) -> tuple[float, float, float, float]:
    return (*estimate.all_images.interval(), *estimate.these_images.interval())
