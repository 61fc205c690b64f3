"""Differences with both their intervals: what is drawn, in which order, and what stands beside."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from tests.plots.drawings import gain, texts_of

from fmnistlab import plots
from fmnistlab.errors import ConfigurationError
from fmnistlab.statistics import Difference, Estimate

PAIRS = {"cnn - linearnet": gain(0.9), "b": gain(0.85), "a": gain(0.8)}
MINUS = "\N{MINUS SIGN}"


def lines_at(axes: Axes, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is drawn in a row: ends of the thick and of the thin line, the dot."""
    found = [
        line for line in axes.lines if set(line.get_ydata()) == {row} and len(line.get_xdata())
    ]
    thick = max(found, key=lambda line: line.get_linewidth() * (line.get_linestyle() != "None"))
    (dot,) = [line for line in found if line.get_marker() == "o"]
    (thin,) = [line for line in found if line not in (thick, dot)]
    thick_ends, thin_ends, value = (np.asarray(line.get_xdata()) for line in (thick, thin, dot))
    return thick_ends, thin_ends, value


def test_each_row_holds_the_value_and_both_intervals_in_points() -> None:
    (axes,) = plots.plot_intervals(PAIRS).axes
    for row, each in enumerate(PAIRS.values()):
        thick, thin, dot = lines_at(axes, row)
        assert tuple(thick) == pytest.approx([100 * end for end in each.these_images.interval()])
        assert tuple(thin) == pytest.approx([100 * end for end in each.all_images.interval()])
        assert tuple(dot) == pytest.approx([100 * each.all_images.value])


def test_rows_stand_in_the_order_given_the_first_on_top() -> None:
    (axes,) = plots.plot_intervals(PAIRS).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(PAIRS)
    assert axes.yaxis_inverted()


def test_the_values_stand_beside_in_columns() -> None:
    (axes,) = plots.plot_intervals(PAIRS).axes
    texts = texts_of(axes)
    for column, heading in enumerate(("points", "all images", "these images")):
        assert texts[4 * column] == heading
    for row, each in enumerate(PAIRS.values()):
        value, all_images, these = (texts[4 * column + 1 + row] for column in range(3))
        assert float(value.replace(MINUS, "-")) == round(100 * each.all_images.value, 2)
        for text, estimate in ((all_images, each.all_images), (these, each.these_images)):
            ends = [float(end) for end in text.replace(MINUS, "-").split(" to ")]
            assert ends == [round(100 * end, 2) for end in estimate.interval()]
    assert "-" not in "".join(texts)


def test_a_narrow_figure_keeps_the_columns_for_which_there_is_room() -> None:
    for width, headings in ((8.6, 3), (5.0, 2), (3.0, 1)):
        (axes,) = plots.plot_intervals(PAIRS, figure=Figure(figsize=(width, 4))).axes
        assert len(axes.texts) == headings * (1 + len(PAIRS))


def test_zero_and_the_zone_around_it_are_marked_and_named() -> None:
    (axes,) = plots.plot_intervals(PAIRS, smallest=0.01).axes
    (zone,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert (zone.get_x(), zone.get_width()) == (-1, 2)
    assert zone.get_hatch()
    assert any(tuple(line.get_xdata()) == (0, 0) for line in axes.lines)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(names) == 4
    assert names[-1].startswith("less than 1 points")
    assert axes.get_xlabel() == "difference in accuracy (percentage points)"


def test_the_zone_is_in_the_picture_even_if_all_values_are_far_from_it() -> None:
    far = Difference(Estimate(0.2, 1e-6, 9), Estimate(0.2, 1e-6, 9), 0.0)
    (axes,) = plots.plot_intervals({"far": far}).axes
    low, high = axes.get_xlim()
    assert low < -0.5
    assert high > 20


def test_a_thin_interval_within_the_thick_one_is_seen_by_its_ends() -> None:
    (axes,) = plots.plot_intervals(PAIRS).axes
    thin = [line for line in axes.lines if line.get_marker() == "|"]
    thick = [line for line in axes.lines if line.get_linewidth() > 4]
    assert len(thin) == len(thick) == len(PAIRS)
    assert thin[0].get_markersize() > thick[0].get_linewidth()
    assert thin[0].get_zorder() > thick[0].get_zorder()


def test_axes_that_are_given_are_drawn_on() -> None:
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    assert plots.plot_intervals(PAIRS, title="classic", ax=right) is right
    assert right.get_title(loc="left") == "classic"
    assert not left.lines
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in right.texts]
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    assert min(box.x0 for box in boxes) >= right.get_window_extent().x1


@pytest.mark.parametrize("smallest", [0, -0.1, 1, math.nan])
def test_a_zone_that_is_none_is_refused(smallest: float) -> None:
    with pytest.raises(ConfigurationError, match="smallest"):
        plots.plot_intervals(PAIRS, smallest=smallest)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no difference was given"):
        plots.plot_intervals({})
    bad = dataclasses.replace(gain(0.9), all_images=Estimate(0.1, math.inf, 3))
    with pytest.raises(ConfigurationError, match="estimate of pair or an end"):
        plots.plot_intervals({"pair": bad})
