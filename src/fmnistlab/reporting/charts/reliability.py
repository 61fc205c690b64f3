"""The reliability diagram: how often a model is right, by how sure it is."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from fmnistlab.reporting.charts.frame import Scale, axes, chart, line, padded, round_ticks, text
from fmnistlab.reporting.charts.lines import mark
from fmnistlab.statistics.reliability import Calibration

HEIGHT: Final = 380.0
_LEFT, _SIDE, _TOP = 52.0, 296.0, 34.0


def reliability_chart(name: str, found: Calibration) -> Markup:
    """Returns accuracy against confidence of each bin, with intervals and the line of perfection.

    Args:
        name: an id that no other chart of the page has.
        found: what is drawn.
    """
    values = [end for part in found.bins for end in (*part.interval, part.confidence)]
    low, high = max(0.0, padded(values)[0]), 1.0
    x, y = Scale(low, high, _LEFT, _LEFT + 360), Scale(low, high, _TOP + _SIDE, _TOP)
    ticks = round_ticks(low, high)
    parts = [
        axes(
            x, y, x_ticks=ticks, y_ticks=ticks, x_label="confidence", y_label="share that is right"
        ),
        line(x(low), y(low), x(high), y(high), "ideal"),
    ]
    for part in found.bins:
        place = x(part.confidence)
        parts.append(line(place, y(part.interval[0]), place, y(part.interval[1]), "whisker s0"))
        parts.append(mark(place, y(part.accuracy), 0))
    middle = low + (high - low) * 0.62
    parts.append(text(x(middle) - 8, y(middle) - 8, "as sure as right", anchor="end", kind="note"))
    told = "above" if found.accuracy > found.confidence else "below"
    description = (
        f"Mean confidence {found.confidence:.4f}, accuracy {found.accuracy:.4f}: the points lie "
        f"{told} the line of perfection on average. All numbers are in the table below."
    )
    return chart(name, HEIGHT, "Confidence and accuracy", description, parts)
