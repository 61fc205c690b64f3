"""Lines over the epochs: one for each quantity, or for each model a bundle of seeds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from fmnistlab.reporting.charts.frame import (
    WIDTH,
    Scale,
    axes,
    chart,
    line,
    padded,
    round_ticks,
    short_name,
    text,
)

HEIGHT: Final = 270.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 92.0, 34.0, 222.0
_MOST_POINTS: Final = 400
_MOST_OF_THIN: Final = 12_000
"""Points of all thin lines together."""

_MOST_MARKS: Final = 25
_APART: Final = 15.0
_LONGEST: Final = 12
"""Letters of a name beside its line, which have room there."""
_CORNERS: Final[tuple[tuple[tuple[float, float], ...], ...]] = (
    (),
    ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
    ((0, -1.3), (1.3, 1), (-1.3, 1)),
)
"""Of the marks of series, in units of their size; the first one is a dot."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One line, with the thin ones that it is the mean of.

    Attributes:
        name: what stands at its end.
        values: one for each epoch, from the first; nan leaves a gap.
        thin: likewise, of each seed.
    """

    name: str
    values: Sequence[float]
    thin: Sequence[Sequence[float]] = ()


def lines_chart(name: str, title: str, label: str, lines: Sequence[Line]) -> Markup:
    """Returns a chart of lines over the epochs; each has its own color, dash and mark.

    Args:
        name: an id that no other chart of the page has.
        title: what it shows.
        label: what the vertical axis means.
        lines: what is drawn; the first lies on top.
    """
    longest = max(len(values) for one in lines for values in (one.values, *one.thin))
    shown = [value for one in lines for values in (one.values, *one.thin) for value in values]
    low, high = padded(shown)
    x = Scale(1, max(longest, 2), _LEFT, WIDTH - _RIGHT)
    y = Scale(low, high, _BOTTOM, _TOP)
    epochs = [tick for tick in round_ticks(1, max(longest, 2)) if tick == round(tick)]
    parts = [
        axes(
            x,
            y,
            x_ticks=sorted({1, *(tick for tick in epochs if tick >= 2 or longest < 10)}),
            y_ticks=round_ticks(low, high),
            x_label="epoch",
            y_label=label,
        )
    ]
    of_thin = max(10, _MOST_OF_THIN // max(1, sum(len(one.thin) for one in lines)))
    for number, one in reversed(list(enumerate(lines))):
        parts += [_path(x, y, values, f"thin s{number % 7}", of_thin) for values in one.thin]
        parts.append(_path(x, y, one.values, f"line s{number % 7}", _MOST_POINTS))
        parts += _marks(x, y, one.values, number)
    parts += _names(x, y, lines)
    return chart(name, HEIGHT, title, _description(lines), parts)


def mark(x: float, y: float, number: int) -> Markup:
    """Returns the mark of a series: a dot, a square, a diamond, a triangle."""
    kind, size = f"mark s{number % 7}", 3.4
    if number % 4 == 0:
        return Markup('<circle cx="{}" cy="{}" r="{}" class="{}"/>').format(x, y, size, kind)
    points = " ".join(f"{x + size * a:.2f},{y + size * b:.2f}" for a, b in _CORNERS[number % 4])
    return Markup('<polygon points="{}" class="{}"/>').format(points, kind)


def _path(x: Scale, y: Scale, values: Sequence[float], kind: str, most: int) -> Markup:
    words, drawing = [], False
    for at in _chosen(len(values), most):
        if math.isfinite(values[at]):
            words.append(f"{'L' if drawing else 'M'}{x(at + 1):g} {y(values[at]):g}")
        drawing = math.isfinite(values[at])
    return Markup('<path d="{}" class="{}"/>').format(" ".join(words), kind)


def _marks(x: Scale, y: Scale, values: Sequence[float], number: int) -> list[Markup]:
    return [
        mark(x(at + 1), y(values[at]), number)
        for at in _chosen(len(values), _MOST_MARKS)
        if math.isfinite(values[at])
    ]


def _chosen(count: int, most: int) -> list[int]:
    """Returns at most `most` places of a list, evenly, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def _names(x: Scale, y: Scale, lines: Sequence[Line]) -> list[Markup]:
    """Returns a name at the end of each line, moved apart where two would overlap."""
    ends: list[tuple[float, int, str]] = []
    for number, one in enumerate(lines):
        finite = [value for value in one.values if math.isfinite(value)]
        if finite:
            ends.append((y(finite[-1]), number, one.name))
    ends.sort()
    places: list[float] = []
    for place, _, _ in ends:
        places.append(place if not places else max(place, places[-1] + _APART))
    if places:
        places = [place - max(0.0, places[-1] - _BOTTOM) for place in places]
    parts: list[Markup] = []
    for place, (end, number, name) in zip(places, ends, strict=True):
        if abs(place - end) > 1:
            parts.append(line(x.end + 5, end, x.end + 10, place, "grid"))
        short = short_name(name, _LONGEST)
        parts.append(text(x.end + 12, place + 4, short, anchor="start", kind=f"name t{number % 7}"))
    return parts


def _description(lines: Sequence[Line]) -> str:
    told = []
    for one in lines:
        finite = [value for value in one.values if math.isfinite(value)]
        if finite:
            told.append(f"{one.name}: {finite[0]:.4g} at first, {finite[-1]:.4g} at last")
    return "; ".join(told) + ". All numbers are in the table below."
