"""Accuracy against what it costs: points, scales, published lines, and names that never collide."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Annotation, Text
from tests.plots.drawings import LONG, models, point, unchecked

from fmnistlab import plots
from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.tradeoff import Cost, TradeoffPoint
from fmnistlab.statistics import REFERENCES, REPORTED, Difference, Estimate

sizes = st.integers(1, 10**8)
accuracies = st.floats(0.5, 0.99)
variances = st.floats(0, 1e-4)


@st.composite
def crowds(draw: st.DrawFn) -> list[TradeoffPoint]:
    """2 to 12 points, many of them near to others."""

    def one(place: int) -> TradeoffPoint:
        accuracy = draw(accuracies if place < 3 else st.sampled_from([0.9, 0.9001, 0.91]))
        estimate = Estimate(accuracy, draw(variances), 9.0)
        size = draw(sizes if place < 3 else st.sampled_from([100, 26_194, 26_200, 218_058]))
        name = draw(st.sampled_from(["cnn", "$x_1$", "_a", LONG, "cnn@one-cycle"]))
        return TradeoffPoint(name, size, 1.0 + place, Difference(estimate, estimate, 0.0))

    return [one(place) for place in range(draw(st.integers(2, 12)))]


def names_in(axes: Axes) -> list[Text]:
    return [text for text in axes.texts if not isinstance(text, Annotation)]


def leaders_in(axes: Axes) -> list[FancyArrowPatch]:
    arrows = [text.arrow_patch for text in axes.texts if isinstance(text, Annotation)]
    return [arrow for arrow in arrows if arrow is not None]


def check_names(axes: Axes) -> None:
    axes.figure.draw_without_rendering()
    frame = axes.get_window_extent()
    boxes = [(text.get_text(), text.get_window_extent()) for text in names_in(axes)]
    for name, box in boxes:
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1, name
        assert frame.y0 <= box.y0 <= box.y1 <= frame.y1, name
    for (name, box), (other, other_box) in combinations(boxes, 2):
        assert not box.overlaps(other_box), (name, other)


@given(crowds(), st.sampled_from(["parameters", "seconds"]), st.booleans())
@settings(max_examples=25)
def test_names_never_collide_nor_leave_the_axes(
    crowd: list[TradeoffPoint], x: Cost, compare: bool
) -> None:
    plt.close("all")  # that of the example before
    references = REFERENCES if compare else ()
    (axes,) = plots.plot_tradeoff(crowd, x=x, references=references).axes
    assert len(names_in(axes)) == len(crowd) + len(references)
    check_names(axes)


@pytest.mark.parametrize("count", range(2, 13))
def test_a_name_covers_no_dot(count: int) -> None:
    shown = models(count)
    (axes,) = plots.plot_tradeoff(shown).axes
    axes.figure.draw_without_rendering()
    for text in names_in(axes):
        box = text.get_window_extent()
        for each in shown:
            place = each.parameters, each.accuracy.all_images.value
            x, y = axes.transData.transform(place)
            assert not box.contains(x, y), (text.get_text(), each.name)


def test_a_name_stands_beside_its_dot_or_has_a_line_to_it() -> None:
    (axes,) = plots.plot_tradeoff(models(2)).axes
    assert not leaders_in(axes)
    for text, each in zip(names_in(axes), models(2), strict=True):
        assert text.get_text() == each.name
        x, y = axes.transData.transform((each.parameters, each.accuracy.all_images.value))
        box = text.get_window_extent()
        assert 0 < box.x0 - x < 30
        assert box.y0 < y < box.y1
    (crowded,) = plots.plot_tradeoff([point("same")] * 12).axes
    assert 6 < len(leaders_in(crowded)) < 12
    x, y = crowded.transData.transform((26_194, point("same").accuracy.all_images.value))
    for text in names_in(crowded):
        box = text.get_window_extent()
        far = math.hypot(x - min(max(x, box.x0), box.x1), y - min(max(y, box.y0), box.y1))
        assert far < 1.2 * crowded.figure.dpi


def test_a_name_that_is_as_near_to_another_dot_has_a_line_to_its_own() -> None:
    estimates = [Estimate(0.88, 1e-4, 9), Estimate(0.882, 1e-4, 9)]
    near = [
        TradeoffPoint(name, 1_000, 1.0, Difference(estimate, estimate, 0.0))
        for name, estimate in zip("ab", estimates, strict=True)
    ]
    (axes,) = plots.plot_tradeoff(near, figure=Figure(figsize=(3, 3))).axes
    assert len(leaders_in(axes)) == 2
    for alone in near:
        (axes,) = plots.plot_tradeoff([alone], figure=Figure(figsize=(3, 3))).axes
        assert not leaders_in(axes)


def test_each_point_has_its_value_and_both_intervals() -> None:
    shown = models(5)
    (axes,) = plots.plot_tradeoff(shown).axes
    for each in shown:
        lines = [line for line in axes.lines if set(line.get_xdata()) == {each.parameters}]
        drawn = [tuple(line.get_ydata()) for line in lines]
        assert each.accuracy.these_images.interval() in drawn
        assert each.accuracy.all_images.interval() in drawn
        assert (each.accuracy.all_images.value,) in drawn
    assert axes.get_ylabel() == "accuracy (fraction)"


def test_parameters_are_on_a_logarithmic_scale_that_says_so() -> None:
    (axes,) = plots.plot_tradeoff(models(3)).axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "parameters (logarithmic scale)"


def test_seconds_are_on_a_logarithmic_scale_only_if_they_differ_much() -> None:
    near = [point("a", seconds=10), point("b", seconds=90)]
    (axes,) = plots.plot_tradeoff(near, x="seconds").axes
    assert axes.get_xscale() == "linear"
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlabel() == "seconds of one training"
    far = [point("a", seconds=10), point("b", seconds=100)]
    (axes,) = plots.plot_tradeoff(far, x="seconds").axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "seconds of one training (logarithmic scale)"


@given(sizes, sizes, st.floats(3, 14))
@settings(max_examples=25)
def test_a_logarithmic_scale_has_ticks_that_do_not_collide(
    one: int, other: int, width: float
) -> None:
    figure = Figure(figsize=(width, 4))
    crowd = [point("a", parameters=one), point("b", parameters=other)]
    (axes,) = plots.plot_tradeoff(crowd, figure=figure).axes
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert boxes
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_published_accuracies_are_lines_with_their_interval_and_the_legend_warns() -> None:
    (axes,) = plots.plot_tradeoff(models(2), references=REFERENCES).axes
    for reference, band in zip(REFERENCES, axes.patches, strict=True):
        low, high = reference.interval()
        assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((low, high))
        assert any(set(line.get_ydata()) == {reference.accuracy} for line in axes.lines)
    shown = [text.get_text() for text in names_in(axes)]
    assert shown[:2] == ["human, 0.835", "DENSER, 0.9526"]
    assert any(REPORTED in text.get_text() for text in axes.get_legend().get_texts())
    (alone,) = plots.plot_tradeoff(models(2)).axes
    assert not any(REPORTED in text.get_text() for text in alone.get_legend().get_texts())


def test_names_fit_the_size_that_given_axes_have() -> None:
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    costs: list[Cost] = ["parameters", "seconds"]
    for axes, x in zip((left, right), costs, strict=True):
        assert plots.plot_tradeoff(models(6), x=x, title="classic", ax=axes) is axes
        assert axes.get_title(loc="left") == "classic"
        assert [text.get_text() for text in names_in(axes)][:2] == ["cnn", "linearnet"]
    for layout in (None, "constrained", "tight"):
        figure = Figure(figsize=(6, 3), layout=layout)
        check_names(plots.plot_tradeoff([point("same")] * 12, ax=figure.subplots()))


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no point was given"):
        plots.plot_tradeoff([])
    with pytest.raises(ConfigurationError, match='x is \'flops\'; use "parameters" or "seconds"'):
        unchecked(plots.plot_tradeoff)(models(2), x="flops")


@pytest.mark.parametrize(
    ("parameters", "seconds"), [(0, 1.0), (-1, 1.0), (1, 0.0), (1, math.inf), (1, math.nan)]
)
def test_a_cost_that_is_none_is_refused(parameters: int, seconds: float) -> None:
    with pytest.raises(ConfigurationError, match=r"parameters|seconds"):
        TradeoffPoint("cnn", parameters, seconds, models(1)[0].accuracy)


def test_an_accuracy_that_is_no_number_is_refused() -> None:
    bad = Estimate(math.nan, 1e-6, 9)
    with pytest.raises(ConfigurationError, match="estimate of cnn"):
        TradeoffPoint("cnn", 1, 1.0, Difference(bad, bad, 0.0))
