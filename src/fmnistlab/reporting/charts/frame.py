"""What every chart stands on: scales, round ticks, axes, a title that is read out."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Final

from markupsafe import Markup

from fmnistlab.foundation.terminal import printable

WIDTH: Final = 460.0
"""Width of a chart in the units of its drawing; the page stretches it."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """Numbers to places along one axis.

    Attributes:
        low: the number at `start`.
        high: the number at `end`; above `low`.
        start: a place, in units of the drawing.
        end: another place.
        logarithmic: whether equal ratios are equally far apart; `low` is above 0 then.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Returns the place of a number, rounded to hundredths; numbers outside stay at the end."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 2)


def short_name(name: str, most: int) -> str:
    """Returns a name that is too long without its middle; many differ only at the end.

    Args:
        name: any text.
        most: characters that there is room for, from 3.
    """
    if len(name) <= most:
        return name
    kept = (most - 1) // 2
    return f"{name[: most - 1 - kept]}…{name[-kept:]}"


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Returns round numbers from `low` to `high`, at most `most` + 1: steps of 1, 2 or 5.

    Args:
        low: finite.
        high: finite, above `low`.
        most: steps.
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Returns 1, 2 and 5 times powers of ten from `low` to `high`, only powers if there are many.

    Args:
        low: above 0.
        high: above `low`.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [
            factor * 10.0**power
            for power, factor in itertools.product(powers, factors)
            if low * (1 - 1e-9) <= factor * 10.0**power <= high * (1 + 1e-9)
        ]
        if len(found) <= 5:
            break
    return found


def tick_text(value: float, ticks: Sequence[float]) -> str:
    """Returns the text of a tick, with as many decimals as its neighbors need."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    step = min((b - a for a, b in itertools.pairwise(ticks)), default=1.0)
    if step < 1e-6 or max(map(abs, ticks)) >= 1e6:
        return f"{value:.2g}"
    return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def padded(
    values: Iterable[float], *, least: float = 0.01, part: float = 0.08
) -> tuple[float, float]:
    """Returns a range that holds all finite values with some room, never empty.

    Args:
        values: what is to be drawn.
        least: width of the range at least, of its size at 1.
        part: room at each end, of the width.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    width = max(high - low, least * max(1.0, abs(low), abs(high)))
    middle = (low + high) / 2
    return middle - width * (0.5 + part), middle + width * (0.5 + part)


def text(x: float, y: float, content: str, *, anchor: str = "middle", kind: str = "tick") -> Markup:
    """Returns words in a chart.

    Args:
        x: where.
        y: the base line.
        content: any text; it is escaped.
        anchor: "start", "middle" or "end".
        kind: class that the page's style knows.
    """
    return Markup('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>').format(
        round(x, 2), round(y, 2), anchor, kind, printable(content)
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Returns a straight line of a class that the page's style knows."""
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(
        round(x1, 2), round(y1, 2), round(x2, 2), round(y2, 2), kind
    )


def axes(
    x: Scale,
    y: Scale,
    *,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    x_label: str,
    y_label: str,
) -> Markup:
    """Returns grid lines, ticks with their numbers, and what the axes mean.

    Args:
        x: the horizontal scale, from left to right.
        y: the vertical scale, from bottom to top.
        x_ticks: numbers on the first.
        y_ticks: numbers on the second.
        x_label: what the first means, below it.
        y_label: what the second means, above it.
    """
    parts = []
    for tick in y_ticks:
        parts.append(line(x.start, y(tick), x.end, y(tick), "grid"))
        words = tick_text(tick, y_ticks)
        parts.append(text(x.start - 7, y(tick) + 4, words, anchor="end"))
    for tick in x_ticks:
        parts.append(line(x(tick), y.start, x(tick), y.start + 4, "axis"))
        parts.append(text(x(tick), y.start + 18, tick_text(tick, x_ticks)))
    parts.append(line(x.start, y.start, x.end, y.start, "axis"))
    parts.append(text((x.start + x.end) / 2, y.start + 36, x_label, kind="label"))
    parts.append(text(6, y.end - 14, y_label, anchor="start", kind="label"))
    return Markup("").join(parts)


def chart(
    name: str, height: float, title: str, description: str, parts: Iterable[Markup]
) -> Markup:
    """Returns a chart as SVG with a title and a description that are read out.

    Args:
        name: an id that no other chart of the page has.
        height: in units of the drawing.
        title: what it shows.
        description: what is to be seen in it, in words.
        parts: what is drawn.
    """
    head = Markup(
        '<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-t {name}-d">'
        '<title id="{name}-t">{title}</title><desc id="{name}-d">{description}</desc>'
    ).format(
        width=round(WIDTH),
        height=round(height),
        name=name,
        title=printable(title),
        description=printable(description),
    )
    return Markup("").join([head, *parts, Markup("</svg>")])
