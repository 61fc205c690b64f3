"""Curves of several seeds: the seeds, their mean, the band, and what the legend says of them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from scipy import stats
from tests.plots.drawings import history, seeds, unchecked

from fmnistlab import plots
from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.seeds import Band
from fmnistlab.training.records.history import History


def thin_and_thick(axes: Axes) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Epochs and values of the lines, those of the seeds and those of the means."""
    lines = [(line.get_linewidth(), np.array(line.get_data())) for line in axes.lines]
    return [data for width, data in lines if width < 1], [
        data for width, data in lines if width > 1
    ]


def band_of(axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the only band, by epoch."""
    (band,) = [part for part in axes.collections if isinstance(part, PolyCollection)]
    corners = np.unique(np.asarray(band.get_paths()[0].vertices), axis=0)
    ends = [corners[corners[:, 0] == x, 1] for x in np.unique(corners[:, 0])]
    return np.array([values.min() for values in ends]), np.array([values.max() for values in ends])


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[2].get_legend().get_texts()]


def validation(histories: list[History], metric: str) -> np.ndarray:
    return np.array([each.history[f"val_{metric}"] for each in histories])


def test_each_seed_is_a_thin_line_and_the_mean_a_thick_one() -> None:
    runs = seeds(4)
    figure = plots.plot_seeds({"cnn": runs})
    for axes, metric in zip(figure.axes, ("loss", "accuracy"), strict=False):
        thin, (mean,) = thin_and_thick(axes)
        np.testing.assert_allclose([values for _, values in thin], validation(runs, metric))
        np.testing.assert_array_equal(mean[0], runs[0].epoch)
        np.testing.assert_allclose(mean[1], validation(runs, metric).mean(axis=0))
        assert axes.get_title(loc="left") == f"Validation {metric}"
        assert axes.get_xlim() == (0.5, 10.5)


def test_few_seeds_are_shown_with_their_range() -> None:
    runs = seeds(9)
    figure = plots.plot_seeds({"cnn": runs})
    values = validation(runs, "accuracy")
    np.testing.assert_allclose(band_of(figure.axes[1]), (values.min(axis=0), values.max(axis=0)))
    assert legend_of(figure) == [
        "cnn, 9 seeds",
        "mean of the seeds",
        "one seed",
        "range of the seeds",
    ]


def test_from_ten_seeds_on_the_band_is_students_interval() -> None:
    runs = seeds(10)
    figure = plots.plot_seeds({"cnn": runs})
    values = validation(runs, "accuracy")
    expected = [
        stats.t.interval(0.95, 9, loc=column.mean(), scale=stats.sem(column)) for column in values.T
    ]
    np.testing.assert_allclose(np.transpose(band_of(figure.axes[1])), expected)
    assert legend_of(figure)[-1] == "95 % interval of the mean (Student's t)"


@pytest.mark.parametrize(
    ("counts", "name"),
    [((10, 9), "range of"), ((12, 26), "95 % interval"), ((12, 1), "95 %"), ((1, 2), "range of")],
)
def test_all_bands_of_a_picture_are_of_one_kind(counts: tuple[int, int], name: str) -> None:
    figure = plots.plot_seeds({str(count): seeds(count) for count in counts})
    assert [text for text in legend_of(figure) if name in text] == legend_of(figure)[-1:]
    bands = [part for part in figure.axes[0].collections if isinstance(part, PolyCollection)]
    assert len(bands) == sum(count > 1 for count in counts)


@pytest.mark.parametrize(("band", "name"), [("range", "range"), ("interval", "Student")])
def test_the_band_can_be_chosen(band: Band, name: str) -> None:
    for count in (3, 12):
        assert name in legend_of(plots.plot_seeds({"cnn": seeds(count)}, band=band))[-1]


def test_one_seed_has_no_band_and_no_word_of_one() -> None:
    figure = plots.plot_seeds({"cnn": seeds(1)})
    assert not figure.axes[0].collections
    assert legend_of(figure) == ["cnn, 1 seed"]


def test_a_mean_ends_with_the_shortest_training() -> None:
    """Seed two has stopped early; the mean of those that are left would be of other seeds."""
    runs = [*seeds(1, 8), *seeds(1, 5), *seeds(1, 10)]
    figure = plots.plot_seeds({"cnn": runs})
    for axes, metric in zip(figure.axes, ("loss", "accuracy"), strict=False):
        thin, (mean,) = thin_and_thick(axes)
        assert [len(epochs) for epochs, _ in thin] == [8, 5, 10]
        np.testing.assert_array_equal(mean[0], [1, 2, 3, 4, 5])
        first = np.array([each.history[f"val_{metric}"][:5] for each in runs])
        np.testing.assert_allclose(mean[1], first.mean(axis=0))
        np.testing.assert_allclose(band_of(axes), (first.min(axis=0), first.max(axis=0)))
    assert "mean, as far as all seeds went" in legend_of(figure)


def test_a_mean_stands_only_where_all_seeds_were_validated() -> None:
    runs = [*seeds(1, 12, validate_every=2), *seeds(1, 12, validate_every=3)]
    _, (mean,) = thin_and_thick(plots.plot_seeds({"cnn": runs}).axes[0])
    np.testing.assert_array_equal(mean[0], [6, 12])
    never = [*seeds(1, 3, validate_every=2), *seeds(1, 3, validate_every=3)]
    thin, thick = thin_and_thick(plots.plot_seeds({"cnn": never}).axes[0])
    assert (len(thin), len(thick)) == (2, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_seed_that_failed_leaves_a_gap_in_the_mean(value: float) -> None:
    """Without it the mean would be that of the seeds that went well."""
    runs = [history(4), history(4, val_loss=value)]
    loss, accuracy, _ = plots.plot_seeds({"cnn": runs}).axes
    _, (mean,) = thin_and_thick(loss)
    assert np.isnan(mean[1]).all()
    _, (mean,) = thin_and_thick(accuracy)
    assert np.isfinite(mean[1]).all()


def test_without_validation_the_values_of_training_are_shown_and_named() -> None:
    runs = seeds(2, validate_every=0)
    figure = plots.plot_seeds({"cnn": runs})
    thin, _ = thin_and_thick(figure.axes[1])
    np.testing.assert_allclose(
        [values for _, values in thin], [r.history["accuracy"] for r in runs]
    )
    assert figure.axes[1].get_title(loc="left") == "Training accuracy"
    assert legend_of(figure)[0] == "cnn, 2 seeds, training"
    both = plots.plot_seeds({"cnn": [*runs, *seeds(1)], "other": seeds(1)})
    assert both.axes[0].get_title(loc="left") == "Loss"
    assert legend_of(both)[:2] == ["cnn, 3 seeds, training", "other, 1 seed"]


def test_no_two_variants_look_alike_even_without_colors() -> None:
    figure = plots.plot_seeds({str(place): seeds(2) for place in range(30)})
    thick = [line for line in figure.axes[0].lines if line.get_linewidth() > 1]
    assert len({(line.get_color(), line.get_marker()) for line in thick}) == 30
    first = plots.plot_seeds({str(place): seeds(2) for place in range(7)}).axes[0]
    assert len({line.get_marker() for line in first.lines if line.get_linewidth() > 1}) == 7


def test_a_variant_has_one_color() -> None:
    axes = plots.plot_seeds({"cnn": seeds(3), "other": seeds(2)}).axes[0]
    colors = [line.get_color() for line in axes.lines]
    assert len(set(colors[:4])) == len(set(colors[4:])) == 1
    assert colors[0] != colors[4]
    for band, color in zip(axes.collections, (colors[0], colors[4]), strict=True):
        assert tuple(band.get_facecolor()[0][:3]) == to_rgba(color)[:3]


@pytest.mark.parametrize("name", ["$\\frac$", "_hidden"])
def test_a_legend_shows_a_name_as_it_is(name: str) -> None:
    figure = plots.plot_seeds({name: seeds(1)})
    figure.draw_without_rendering()
    assert legend_of(figure) == [f"{name}, 1 seed"]


def test_what_has_no_curves_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no history was given"):
        plots.plot_seeds({})
    with pytest.raises(ConfigurationError, match="histories of cnn must be a list"):
        plots.plot_seeds({"cnn": []})
    with pytest.raises(ConfigurationError, match="no epoch of a seed of cnn has finished"):
        plots.plot_seeds({"cnn": [history(2), History()]})


def test_one_history_in_place_of_a_list_is_told() -> None:
    with pytest.raises(ConfigurationError, match="histories of cnn must be a list"):
        unchecked(plots.plot_seeds)({"cnn": history(2)})


def test_an_unknown_band_is_refused() -> None:
    with pytest.raises(ConfigurationError, match='band is \'sd\'; use "range", "interval" or None'):
        unchecked(plots.plot_seeds)({"cnn": seeds(2)}, band="sd")
