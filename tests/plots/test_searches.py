"""Pictures of searches and of range tests show what they were given."""

from __future__ import annotations

import pytest
from tests.plots.drawings import points, rate_range

from fmnistlab import plots
from fmnistlab.errors import ConfigurationError


def test_the_history_shows_each_trial_and_the_best_so_far() -> None:
    given = points(12)
    (axes,) = plots.plot_search_history(given).axes
    done, pruned, best, star = axes.get_lines()[0], axes.get_lines()[1], *axes.get_lines()[3:1:-1]
    assert list(done.get_ydata()) == [point.accuracy for point in given if point.done]
    assert list(pruned.get_ydata()) == [point.accuracy for point in given if not point.done]
    highest = [max(p.accuracy for p in given[: at + 1] if p.done) for at in range(len(given))]
    assert list(best.get_ydata()) == highest
    assert list(star.get_ydata()) == [highest[-1]]


def test_slices_show_each_setting_numbers_and_words() -> None:
    given = points(12)
    figure = plots.plot_search_slices(given, logarithmic=["learning_rate"])
    rate, size, schedule, augmentation = figure.axes[:4]
    assert rate.get_xscale() == "log"
    assert size.get_xscale() == "linear"
    assert list(rate.get_lines()[0].get_xdata()) == [
        p.settings["learning_rate"] for p in given if p.done
    ]
    labels = [tick.get_text() for tick in schedule.get_xticklabels()]
    assert labels == ["constant", "one_cycle"]
    assert all(tick.get_text().startswith("[") for tick in augmentation.get_xticklabels())
    assert [axes.get_visible() for axes in figure.axes] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("draw", [plots.plot_search_history, plots.plot_search_slices])
def test_nothing_cannot_be_drawn(draw: object) -> None:
    assert callable(draw)
    with pytest.raises(ConfigurationError, match="no trials to draw"):
        draw([])


def test_trials_without_settings_have_no_slices() -> None:
    with pytest.raises(ConfigurationError, match="no settings"):
        plots.plot_search_slices([plots.SearchPoint(0, {}, 0.5, done=True)])


def test_a_range_test_shows_losses_and_suggestions() -> None:
    seen = rate_range()
    (axes,) = plots.plot_learning_rate_range(seen).axes
    each, mean, steepest, largest = axes.get_lines()
    assert tuple(each.get_ydata()) == seen.losses
    assert tuple(mean.get_ydata()) == seen.smoothed
    assert set(steepest.get_xdata()) == {seen.steepest}
    assert set(largest.get_xdata()) == {seen.largest}
    assert axes.get_xscale() == "log"
