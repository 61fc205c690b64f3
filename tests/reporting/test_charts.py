"""Charts: scales and ticks that always hold, text that stays text."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.html_page import HOSTILE

from fmnistlab.reporting.charts.frame import (
    Scale,
    log_ticks,
    padded,
    round_ticks,
    short_name,
    tick_text,
)
from fmnistlab.reporting.charts.intervals import Cost, Row, costs_chart, intervals_chart
from fmnistlab.reporting.charts.lines import Line, lines_chart
from fmnistlab.statistics import Difference, Estimate

sizes = st.floats(1e-6, 1e9)
values = st.floats(-1e9, 1e9)


@given(values, sizes, st.integers(1, 8))
def test_ticks_are_round_few_and_inside(low: float, width: float, most: int) -> None:
    high = low + width
    assume(width > 1e-9 * abs(low))
    ticks = round_ticks(low, high, most)
    assert len(ticks) <= most + 1
    assert all(low - 1e-6 * width <= tick <= high + 1e-6 * width for tick in ticks)
    steps = [b - a for a, b in itertools.pairwise(ticks)]
    assert all(step == pytest.approx(steps[0], rel=1e-3, abs=1e-9 * abs(low)) for step in steps)
    assert len(ticks) >= 2 or most < 5


@given(st.floats(1e-3, 1e9), st.floats(1.5, 1e6))
def test_logarithmic_ticks_are_inside(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert all(low * 0.999 <= tick <= low * ratio * 1.001 for tick in ticks)
    assert ticks or ratio < 10


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True)))
def test_a_range_holds_all_that_is_finite(numbers: list[float]) -> None:
    assume(all(abs(n) < 1e300 for n in numbers if math.isfinite(n)))
    low, high = padded(numbers)
    assert low < high
    assert all(low <= number <= high for number in numbers if math.isfinite(number))


@given(values, sizes, values)
def test_a_scale_keeps_within_its_ends(low: float, width: float, value: float) -> None:
    assume(width > 1e-9 * abs(low))
    scale = Scale(low, low + width, 50, 400)
    assert 50 <= scale(value) <= 400
    assert (scale(low), scale(low + width)) == (50, 400)


@pytest.mark.parametrize(
    ("value", "ticks", "text"),
    [
        (0.9, [0.88, 0.9, 0.92], "0.90"),
        (2.0, [1.0, 2.0], "2"),
        (200_000.0, [100_000.0, 200_000.0], "200,000"),
        (0.005, [0, 0.005], "0.005"),
        (5.0, [5.0], "5"),
    ],
)
def test_a_tick_has_the_decimals_that_its_neighbors_need(
    value: float, ticks: list[float], text: str
) -> None:
    assert tick_text(value, ticks) == text


def texts(svg: str) -> str:
    """The words of a chart, which must be well-formed XML."""
    tree = ET.fromstring(svg)
    assert tree.attrib["role"] == "img"
    assert {child.tag for child in tree.iter()} <= {
        *("svg", "title", "desc", "text", "line", "path", "circle", "polygon", "rect")
    }
    return " ".join(tree.itertext())


def estimate(value: float, variance: float = 1e-6) -> Difference:
    return Difference(Estimate(value, variance, 9.0), Estimate(value, 2 * variance, 9.0), variance)


@given(
    st.lists(
        st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=9),
        min_size=1,
        max_size=9,
    )
)
def test_any_numbers_can_be_drawn_as_lines(series: list[list[float]]) -> None:
    assume(all(abs(v) < 1e300 for one in series for v in one if math.isfinite(v)))
    lines = [Line(f"line {number}", one, [one]) for number, one in enumerate(series)]
    assert "nan" not in lines_chart("curves", "title", "loss", lines).replace("line nan", "")


def test_names_stay_text_in_every_chart() -> None:
    name = f"\x1b\u202e{HOSTILE[:30]}"
    drawn = [
        lines_chart("a", name, name, [Line(name, [1.0, 2.0])]),
        intervals_chart("b", name, name, [Row(name, estimate(0.01), 0)], smallest=0.005),
        costs_chart("c", name, name, [Cost(name, 1000, estimate(0.9), 0)]),
    ]
    for svg in drawn:
        assert "<script" not in svg
        assert not {"\x1b", "\u202e"} & {*svg}
        assert "<script>" in texts(svg)


@given(st.lists(st.floats(0.8, 0.9), min_size=1, max_size=7))
def test_names_of_points_stand_apart(accuracies: list[float]) -> None:
    points = [Cost(f"cnn@{i}", 26_194, estimate(a), i) for i, a in enumerate(accuracies)]
    names = [
        float(element.attrib["y"])
        for element in ET.fromstring(costs_chart("c", "t", "parameters", points)).iter()
        if element.attrib.get("class", "").startswith("name ")
    ]
    assert len(names) == len(points)
    assert all(b - a >= 14.9 for a, b in itertools.pairwise(sorted(names)))


@given(st.text(max_size=40), st.integers(3, 30))
def test_a_short_name_has_room_and_both_ends(name: str, most: int) -> None:
    short = short_name(name, most)
    assert len(short) == min(len(name), most)
    assert short == name or (name.startswith(short[0]) and name.endswith(short[-1]))


def test_names_that_differ_at_the_end_are_told_apart() -> None:
    svg = lines_chart(
        *("a", "t", "loss"),
        [Line("linearnet@epochs=2", [1, 2]), Line("linearnet@epochs=2,batch_size=64", [1, 3])],
    )
    assert "linear…chs=2" in svg
    assert "linear…ze=64" in svg


def test_long_lines_are_thinned_out() -> None:
    svg = lines_chart("a", "t", "loss", [Line("long", [math.sin(i / 50) for i in range(20_000)])])
    assert len(svg) < 20_000
    seeds = [[math.sin(i / 50 + seed) for i in range(500)] for seed in range(100)]
    assert len(lines_chart("a", "t", "loss", [Line("many", seeds[0], seeds)])) < 300_000
