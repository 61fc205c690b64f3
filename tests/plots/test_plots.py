from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from PIL import Image
from tests.plots.drawings import (
    LONG,
    drawings,
    gain,
    history,
    labels,
    matrix,
    models,
    on_given_figures,
    pictures,
    point,
    seeds,
    shown_texts,
    sure_of,
    texts_in,
    texts_of,
    unchecked,
)
from tests.strategies import confusion_matrices

from fmnistlab import plots
from fmnistlab.data import RandomErasing
from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.errors import ConfigurationError, MissingExtraError
from fmnistlab.foundation.terminal import printable
from fmnistlab.plots import style
from fmnistlab.plots.confusion import contrast, readable_on
from fmnistlab.plots.words import Ruler
from fmnistlab.training.records.history import History
from fmnistlab.training.records.metrics import wilson_interval
from fmnistlab.training.records.predictions import Predictions

DARK = ["dark_background", {"axes.grid": True, "savefig.facecolor": "black"}]
every_drawing = pytest.mark.parametrize("draw", drawings.values(), ids=drawings.keys())
also_on_given_figures = pytest.mark.parametrize(
    "draw",
    [*drawings.values(), *on_given_figures.values()],
    ids=[*drawings, *on_given_figures],
)


# --- all of them ----------------------------------------------------------------------------------


@also_on_given_figures
def test_no_text_overlaps_another_or_leaves_the_figure(draw: Callable[[], Figure]) -> None:
    figure = draw()
    figure.draw_without_rendering()
    boxes = [
        (text.get_text(), text.get_window_extent())
        for text in shown_texts(figure)
        if text.get_rotation() in (0, 90)
    ]
    whole = figure.bbox.padded(1)
    for name, box in boxes:
        assert whole.x0 <= box.x0, name
        assert box.x1 <= whole.x1, name
        assert whole.y0 <= box.y0, name
        assert box.y1 <= whole.y1, name
    for (name, box), (other, other_box) in combinations(boxes, 2):
        assert not box.padded(-1).overlaps(other_box.padded(-1)), (name, other)


@also_on_given_figures
def test_no_text_lies_on_an_image(draw: Callable[[], Figure]) -> None:
    figure = draw()
    figure.draw_without_rendering()
    images = [axes for axes in figure.axes if axes.images and not axes.texts[10:]]
    for axes in images:
        frame = axes.get_window_extent().padded(-1)
        for text in shown_texts(figure):
            assert not frame.overlaps(text.get_window_extent()), text.get_text()


@every_drawing
def test_text_outside_of_cells_stands_out_from_white(draw: Callable[[], Figure]) -> None:
    for text in shown_texts(draw()):
        if text.axes is None or len(text.axes.texts) < 100:
            ratio = contrast(to_rgb(text.get_color()), (1.0, 1.0, 1.0))
            assert ratio >= 4.5, (text.get_text(), ratio)


@every_drawing
def test_a_picture_is_the_same_bytes_each_time(draw: Callable[[], Figure], tmp_path: Path) -> None:
    figure = draw()
    first = plots.save_figure(figure, tmp_path / "first.png").read_bytes()
    assert plots.save_figure(figure, tmp_path / "again.png").read_bytes() == first
    assert plots.save_figure(draw(), tmp_path / "other.png").read_bytes() == first


@every_drawing
def test_a_dark_style_of_the_user_changes_nothing(
    draw: Callable[[], Figure], tmp_path: Path
) -> None:
    plain = plots.save_figure(draw(), tmp_path / "plain.png").read_bytes()
    with matplotlib.style.context(DARK):
        assert plots.save_figure(draw(), tmp_path / "dark.png").read_bytes() == plain


@every_drawing
def test_drawing_leaves_the_settings_of_matplotlib_alone(draw: Callable[[], Figure]) -> None:
    # Reading the backend would make matplotlib choose one.
    names = set(mpl.rcParams) - {"backend"}
    before = {name: mpl.rcParams[name] for name in names}
    draw()
    assert {name: mpl.rcParams[name] for name in names} == before


def test_a_figure_that_is_given_is_drawn_on() -> None:
    functions: list[Callable[[Figure], Figure]] = [
        lambda figure: plots.plot_curves(history(2), figure=figure),
        lambda figure: plots.plot_images(pictures(2), figure=figure),
        lambda figure: plots.plot_augmentation(pictures(2), [RandomErasing()], figure=figure),
        lambda figure: plots.plot_samples(pictures(2), labels(2), figure=figure),
        lambda figure: plots.plot_mistakes(
            pictures(2), labels(2), sure_of(labels(2)), figure=figure
        ),
        lambda figure: plots.plot_confusion(matrix(), figure=figure),
        lambda figure: plots.plot_seeds({"cnn": seeds(2)}, figure=figure),
        lambda figure: plots.plot_intervals({"gain": gain(0.9)}, figure=figure),
        lambda figure: plots.plot_tradeoff(models(2), figure=figure),
        lambda figure: plots.plot_predictions(
            pictures(2), sure_of(labels(2)).probabilities, figure=figure
        ),
    ]
    for function in functions:
        figure = Figure(figsize=(5, 4))
        assert function(figure) is figure
        assert figure.axes
        assert tuple(figure.get_size_inches()) == (5, 4)


def test_the_layout_of_a_given_figure_is_kept() -> None:
    for draw in (
        lambda figure: plots.plot_curves(history(2), figure=figure),
        lambda figure: plots.plot_confusion(matrix(), figure=figure),
        lambda figure: plots.plot_seeds({"cnn": seeds(2)}, figure=figure),
        lambda figure: plots.plot_intervals({"gain": gain(0.9)}, figure=figure),
        lambda figure: plots.plot_tradeoff(models(2), figure=figure),
    ):
        figure = Figure(layout="tight")
        engine = figure.get_layout_engine()
        draw(figure)
        assert figure.get_layout_engine() is engine


@every_drawing
def test_without_matplotlib_the_error_says_how_to_get_it(
    draw: Callable[[], Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'fmnistlab[plot]'")):
        draw()


def test_matplotlib_is_loaded_late_and_pyplot_not_at_all() -> None:
    code = """
import sys
from fmnistlab import plots
assert "matplotlib" not in sys.modules
import numpy as np
plots.plot_images(np.zeros((1, 28, 28), dtype=np.uint8))
plots.plot_confusion(np.eye(10, dtype=np.int64))
assert "matplotlib.figure" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_script_that_has_imported_pyplot_shows_and_saves_its_figures(tmp_path: Path) -> None:
    code = """
import threading
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from fmnistlab import plots
from fmnistlab.plots.figures import off_screen

images, labels = np.zeros((2, 28, 28), dtype=np.uint8), np.array([0, 1])
figure = plots.plot_images(images)
assert plt.gcf() is figure
plt.savefig("current.png")
plt.show()
plt.close(figure)

_, ax = plt.subplots()
assert plots.plot_samples(images, labels, ax=ax) is ax
assert len(plt.get_fignums()) == 1
with off_screen():
    plots.plot_images(images)
thread = threading.Thread(target=plots.plot_images, args=[images])
thread.start()
thread.join()
assert len(plt.get_fignums()) == 1
plots.plot_images(images)
assert len(plt.get_fignums()) == 2
"""
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
    assert (tmp_path / "current.png").read_bytes().startswith(b"\x89PNG")


# --- where they are drawn -------------------------------------------------------------------------


def test_a_subfigure_that_is_given_is_drawn_on_and_its_neighbor_left_alone() -> None:
    drawn: dict[str, Callable[[SubFigure], SubFigure]] = {
        "curves": lambda part: plots.plot_curves(history(4), title="cnn", figure=part),
        "images": lambda part: plots.plot_images(pictures(2), title="cnn", figure=part),
        "augmentation": lambda part: plots.plot_augmentation(
            pictures(2), [RandomErasing()], title="cnn", figure=part
        ),
        "samples": lambda part: plots.plot_samples(pictures(2), labels(2), title="a", figure=part),
        "mistakes": lambda part: plots.plot_mistakes(
            pictures(4), labels(4), sure_of(labels(4) + 1), title="cnn", figure=part
        ),
        "confusion": lambda part: plots.plot_confusion(matrix(), title="cnn", figure=part),
        "seeds": lambda part: plots.plot_seeds({"cnn": seeds(2)}, title="cnn", figure=part),
        "intervals": lambda part: plots.plot_intervals({"a": gain(0.9)}, title="b", figure=part),
        "tradeoff": lambda part: plots.plot_tradeoff(models(5), title="cnn", figure=part),
        "predictions": lambda part: plots.plot_predictions(
            pictures(2), sure_of(labels(2)).probabilities, title="cnn", figure=part
        ),
    }
    for name, draw in drawn.items():
        figure = Figure(figsize=(14, 5))
        left, right = cast("Any", figure.subfigures(1, 2))
        assert draw(right) is right, name
        assert right.axes, name
        assert not left.axes, name
        figure.draw_without_rendering()
        for axes in right.axes:
            box = axes.get_window_extent()
            assert right.bbox.x0 - 1 <= box.x0 < box.x1 <= right.bbox.x1 + 1, name
            assert right.bbox.y0 - 1 <= box.y0 < box.y1 <= right.bbox.y1 + 1, name


def test_axes_that_are_given_are_drawn_on_and_returned() -> None:
    figure = Figure(figsize=(14, 6), layout="constrained")
    left, right = figure.subplots(1, 2)
    assert plots.plot_confusion(matrix(), title=LONG, ax=left) is left
    assert plots.plot_samples(pictures(20), labels(20), title="train", ax=right) is right
    assert figure.axes == [left, right]
    assert len(left.texts) == 100
    assert right.get_title(loc="left") == "train"
    assert [label.get_text() for label in right.get_yticklabels()] == list(CLASS_NAMES)
    figure.draw_without_rendering()
    title = next(text for text in texts_in(left) if text.get_text().startswith(LONG[:20]))
    assert title.get_window_extent().x1 <= left.get_window_extent().x1 + 1


def test_axes_and_a_figure_together_are_refused() -> None:
    figure = Figure()
    both: Any = {"ax": figure.subplots(), "figure": figure}
    with pytest.raises(ConfigurationError, match="either ax or figure"):
        plots.plot_confusion(matrix(), **both)
    with pytest.raises(ConfigurationError, match="either ax or figure"):
        plots.plot_samples(pictures(1), labels(1), **both)
    with pytest.raises(ConfigurationError, match="either ax or figure"):
        plots.plot_intervals({"a": gain(0.9)}, **both)
    with pytest.raises(ConfigurationError, match="either ax or figure"):
        plots.plot_tradeoff(models(1), **both)


def test_a_sheet_on_a_smaller_figure_is_scaled_with_its_letters() -> None:
    natural = plots.plot_mistakes(pictures(4), labels(4), sure_of(labels(4) + 1))
    width, height = natural.get_size_inches()
    half = plots.plot_mistakes(
        pictures(4), labels(4), sure_of(labels(4) + 1), figure=Figure((width / 2, height / 2))
    )
    for large, small in zip(natural.axes, half.axes, strict=True):
        np.testing.assert_allclose(large.get_position().bounds, small.get_position().bounds)
        assert small.texts[0].get_fontsize() == pytest.approx(large.texts[0].get_fontsize() / 2)


# --- titles ---------------------------------------------------------------------------------------

names = st.text(st.sampled_from("ab W$_^{}\\%#&\n\t/…-\x1b"), max_size=60)


@given(names, st.floats(0.3, 5), st.integers(1, 3))
@settings(max_examples=30)
def test_a_text_is_made_to_fit(name: str, width: float, lines: int) -> None:
    ruler = Ruler(9.0)
    fitted = ruler.fit(name, width, lines)
    assert fitted.count("\n") < lines
    assert all(ruler.width(line) <= width or len(line) == 1 for line in fitted.split("\n"))
    assert fitted.replace("\n", "").isprintable()
    if "…" not in fitted:
        kept = printable(name, lines=True)
        assert "".join(fitted.split()) == "".join(kept.split())


def test_a_text_that_is_too_long_keeps_its_beginning_and_end() -> None:
    fitted = Ruler(9.0).fit(LONG, 2.5)
    assert fitted.startswith("a_model_with")
    assert fitted.endswith(".csv")
    assert fitted.count("…") == 1


@pytest.mark.parametrize("name", ["$\\frac$", "_hidden", "%", "a$b$c"])
def test_a_name_is_no_formula(name: str, tmp_path: Path) -> None:
    figures = [
        plots.plot_curves(history(2), title=name),
        plots.plot_curves({name: history(2), "other": history(2)}),
        plots.plot_images(pictures(1), [name], title=name),
        plots.plot_confusion(matrix(), title=name),
        plots.plot_seeds({name: seeds(2)}),
        plots.plot_intervals({name: gain(0.9)}),
        plots.plot_tradeoff([point(name)]),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        assert any(name in text.get_text() for text in [*shown_texts(figure), *texts_in(figure)])


# --- curves ---------------------------------------------------------------------------------------


def test_curves_hold_the_numbers_of_the_history() -> None:
    shown = history(10)
    figure = plots.plot_curves(shown)
    for axes, metric in zip(figure.axes, ("loss", "accuracy"), strict=True):
        training, validation, best = axes.lines
        assert list(training.get_xdata()) == shown.epoch
        assert list(training.get_ydata()) == shown.history[metric]
        assert list(validation.get_ydata()) == shown.history[f"val_{metric}"]
        record = shown.best(f"val_{metric}")
        assert list(best.get_xdata()) == [record.epoch]
        assert list(best.get_ydata()) == [getattr(record, f"val_{metric}")]
        assert best.get_marker() == "*"
        assert best.get_markersize() > 2 * validation.get_markersize() > 0


def test_curves_name_their_axes_with_units() -> None:
    loss, accuracy = plots.plot_curves(history(10)).axes
    assert loss.get_ylabel() == "cross-entropy (nats per image)"
    assert accuracy.get_ylabel() == "accuracy (fraction)"
    assert loss.get_xlabel() == accuracy.get_xlabel() == "epoch"
    names = [text.get_text() for text in loss.get_legend().get_texts()]
    assert names == [
        "training, while learning",
        "validation",
        "best validation: 0.3000, epoch 5",
    ]


@pytest.mark.parametrize("epochs", [1, 2, 3, 10, 60, 300])
def test_epochs_are_whole_numbers(epochs: int) -> None:
    for axes in plots.plot_curves(history(epochs)).axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks
        assert all(tick == int(tick) for tick in ticks)


def test_the_two_lines_differ_in_more_than_color() -> None:
    training, validation, _ = plots.plot_curves(history(10)).axes[0].lines
    assert training.get_linestyle() != validation.get_linestyle()
    assert training.get_marker() != validation.get_marker()


def test_a_line_passes_over_epochs_that_were_not_validated() -> None:
    _, validation, _ = plots.plot_curves(history(10, validate_every=3)).axes[0].lines
    assert list(validation.get_xdata()) == [3, 6, 9]
    assert np.isfinite(validation.get_ydata()).all()


def test_a_history_without_validation_has_one_line() -> None:
    for axes in plots.plot_curves(history(4, validate_every=0)).axes:
        assert len(axes.lines) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_leave_a_gap_and_no_star(value: float) -> None:
    axes, _ = plots.plot_curves(history(4, val_loss=value)).axes
    _, validation = axes.lines
    assert np.isnan(validation.get_ydata()).all()


def test_many_epochs_have_no_markers() -> None:
    assert plots.plot_curves(history(31)).axes[0].lines[0].get_markersize() == 0
    assert plots.plot_curves(history(30)).axes[0].lines[0].get_markersize() > 0


def test_a_history_without_epochs_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no epoch has finished"):
        plots.plot_curves(History())
    with pytest.raises(ConfigurationError, match="no epoch of cnn has finished"):
        plots.plot_curves({"cnn": History()})
    with pytest.raises(ConfigurationError, match="no history was given"):
        plots.plot_curves([])


def test_several_histories_are_told_apart_by_name_and_color() -> None:
    runs = {"cnn": history(10), "linearnet": history(3), "_": history(2, validate_every=0)}
    loss, accuracy = plots.plot_curves(runs).axes
    for axes, metric in ((loss, "loss"), (accuracy, "accuracy")):
        training = [line for line in axes.lines if line.get_linestyle() == "-"]
        assert [list(line.get_ydata()) for line in training] == [
            run.history[metric] for run in runs.values()
        ]
        assert len({line.get_color() for line in training}) == 3
        validation = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [line.get_color() for line in validation] == [
            line.get_color() for line in training[:2]
        ]
        assert axes.get_xlim() == (0.5, 10.5)
    names = [text.get_text() for text in loss.get_legend().get_texts()]
    assert names == [
        "cnn: best 0.3000, epoch 5",
        "linearnet: best 0.5000, epoch 3",
        "_",
        "training, while learning",
        "validation, the best with a star",
    ]


def test_histories_without_names_are_numbered() -> None:
    loss, _ = plots.plot_curves([history(2, validate_every=0)] * 2).axes
    assert [text.get_text() for text in loss.get_legend().get_texts()][:2] == ["run 1", "run 2"]
    lines = plots.plot_curves([history(2, validate_every=0)] * 9).axes[0].lines
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 9


# --- images and samples ---------------------------------------------------------------------------


def test_each_image_has_its_axes_and_title() -> None:
    images = pictures(8)
    figure = plots.plot_images(images, [f"number {i}" for i in range(8)], columns=3, title="top")
    assert [text.get_text() for text in figure.texts] == ["top"]
    assert len(figure.axes) == 8
    for number, axes in enumerate(figure.axes):
        (shown,) = axes.images
        np.testing.assert_allclose(shown.get_array(), images[number].numpy() / 255, atol=1e-6)
        assert axes.get_title() == f"number {number}"
        assert shown.get_interpolation() == "nearest"
        assert shown.get_cmap().name == "gray"
        assert shown.get_clim() == (0, 1)
        assert not axes.get_xticks().size
        assert not axes.get_yticks().size
    lefts = [round(axes.get_position().x0, 6) for axes in figure.axes]
    assert len(set(lefts)) == 3
    assert lefts[:3] == lefts[3:6]


def test_the_margins_around_a_sheet_are_equal() -> None:
    figure = plots.plot_images(pictures(8), columns=3)
    width, height = figure.get_size_inches()
    boxes = [axes.get_position() for axes in figure.axes]
    assert min(box.x0 for box in boxes) * width == pytest.approx(0.12)
    assert min(box.y0 for box in boxes) * height == pytest.approx(0.12)
    assert (1 - max(box.x1 for box in boxes)) * width == pytest.approx(0.12)
    assert (1 - max(box.y1 for box in boxes)) * height == pytest.approx(0.12)


def test_each_pixel_of_an_image_is_a_square_of_whole_pixels(tmp_path: Path) -> None:
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[0, 5, 7] = 255
    path = plots.save_figure(plots.plot_images(image), tmp_path / "one.png")
    gray = np.asarray(Image.open(path).convert("L"))
    inside = gray[30:-30, 30:-30]
    rows, columns = np.nonzero(inside)
    assert len(rows) == 36
    assert np.ptp(rows) == np.ptp(columns) == 5
    assert set(inside[rows, columns]) == {255}


@pytest.mark.parametrize(
    "images",
    [
        torch.full((2, 28, 28), 51, dtype=torch.uint8),
        torch.full((2, 1, 28, 28), 51, dtype=torch.uint8),
        torch.full((2, 1, 28, 28), 0.2),
        np.full((2, 28, 28), 51, dtype=np.uint8),
        np.full((2, 28, 28), 0.2, dtype=np.float64),
    ],
)
def test_images_may_be_tensors_or_arrays_bytes_or_fractions(
    images: torch.Tensor | np.ndarray,
) -> None:
    figure = plots.plot_images(images)
    assert len(figure.axes) == 2
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), 0.2, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        (torch.zeros(2, 3, 28, 28), r"not \(2, 3, 28, 28\)"),
        (torch.full((1, 28, 28), -0.4), r"-0\.4 to -0\.4\. Undo"),
        (torch.full((1, 28, 28), 255.0), "255 to 255"),
        (torch.full((1, 28, 28), float("nan")), "nan"),
        (torch.zeros(0, 28, 28), "no images were given"),
    ],
)
def test_images_that_cannot_be_shown_are_refused(images: torch.Tensor, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        plots.plot_images(images)


def test_one_image_alone_is_refused_with_the_right_shape() -> None:
    with pytest.raises(ConfigurationError, match=r"rows, 28, 28.*not \(28, 28\)"):
        unchecked(style.brightness)(torch.zeros(28, 28))


def test_titles_and_columns_must_make_sense() -> None:
    with pytest.raises(ConfigurationError, match="2 images need as many titles, not 1"):
        plots.plot_images(pictures(2), ["one"])
    with pytest.raises(ConfigurationError, match="columns must be at least 1, not 0"):
        plots.plot_images(pictures(2), columns=0)


def test_samples_show_the_first_of_each_class_in_its_line() -> None:
    images, classes = pictures(33), labels(33)
    (axes,) = plots.plot_samples(images, classes, per_class=4).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CLASS_NAMES)
    (shown,) = axes.images
    mosaic = shown.get_array()
    assert mosaic.shape == (10 * 30 - 2, 4 * 30 - 2)
    for label in range(10):
        rows = [row for row in range(33) if classes[row] == label][:4]
        for place in range(4):
            cell = mosaic[label * 30 : label * 30 + 28, place * 30 : place * 30 + 28]
            if place < len(rows):
                np.testing.assert_allclose(cell, images[rows[place]].numpy() / 255, atol=1e-6)
            else:
                assert cell.mask.all()
    assert np.ma.getmaskarray(mosaic)[28:30].all()


def test_a_class_name_stands_beside_its_images() -> None:
    (axes,) = plots.plot_samples(pictures(10), labels(10), 1).axes
    assert list(axes.get_yticks()) == [13.5 + 30 * label for label in range(10)]


def test_samples_need_fitting_labels() -> None:
    with pytest.raises(ConfigurationError, match="3 images need 3 labels"):
        unchecked(plots.plot_samples)(pictures(3), labels(2))
    with pytest.raises(ConfigurationError, match="from 0 to 9"):
        plots.plot_samples(pictures(1), np.array([10]))
    with pytest.raises(ConfigurationError, match="per_class must be at least 1"):
        plots.plot_samples(pictures(1), labels(1), 0)


# --- mistakes -------------------------------------------------------------------------------------


def test_mistakes_are_shown_with_both_classes_the_surest_first() -> None:
    images, targets = pictures(4), torch.tensor([6, 1, 6, 3])
    predicted = torch.tensor([4, 1, 0, 2])
    probabilities = sure_of(predicted).probabilities
    probabilities[0, 4], probabilities[2, 0], probabilities[3, 2] = 0.5, 0.97, 0.999
    figure = plots.plot_mistakes(images, targets, Predictions(predicted, probabilities))
    assert [text.get_text() for text in figure.texts] == [
        "3 most confident of 3 mistakes in 4 images"
    ]
    assert [texts_of(axes) for axes in figure.axes] == [
        ["true: Dress", "predicted: Pullover >0.99"],
        ["true: Shirt", "predicted: T-shirt/top 0.97"],
        ["true: Shirt", "predicted: Coat 0.50"],
    ]
    for axes, row in zip(figure.axes, [3, 2, 0], strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), images[row].numpy() / 255, atol=1e-6)


def test_no_more_mistakes_are_shown_than_were_asked_for() -> None:
    figure = plots.plot_mistakes(pictures(9).numpy(), labels(9), sure_of(labels(9) + 1), 2)
    assert len(figure.axes) == 2
    assert figure.texts[0].get_text() == "2 most confident of 9 mistakes in 9 images"


def test_a_model_without_mistakes_is_told_so() -> None:
    (axes,) = drawings["no mistakes"]().axes
    assert texts_of(axes) == ["no mistakes in 3 images"]


def test_mistakes_need_one_image_for_each_target() -> None:
    with pytest.raises(ConfigurationError, match="3 images need as many targets, not 2"):
        unchecked(plots.plot_mistakes)(pictures(3), labels(2), sure_of(labels(2)))
    with pytest.raises(ConfigurationError, match="n must be at least 1, not 0"):
        plots.plot_mistakes(pictures(2), labels(2), sure_of(labels(2)), 0)


# --- confusion ------------------------------------------------------------------------------------


@given(confusion_matrices)
@settings(max_examples=5)
def test_every_cell_shows_its_count_and_can_be_read(rows: list[list[int]]) -> None:
    counts = np.array(rows)
    counts[0, 0] += 1
    cells, side = plots.plot_confusion(counts).axes
    right, wrong = cells.images
    for text in cells.texts:
        column, row = (round(place) for place in text.get_position())
        assert text.get_text() == f"{counts[row, column]:,}"
        layer = right if row == column else wrong
        assert not np.ma.getmaskarray(layer.get_array())[row, column]
        background = layer.cmap(layer.norm(layer.get_array()[row, column]))[:3]
        assert contrast(to_rgb(text.get_color()), background) >= 4.5
    assert len(cells.texts) == 100
    recalls = [
        f"{row[label] / row.sum():.3f}" if row.sum() else "no images"
        for label, row in enumerate(counts)
    ]
    assert texts_of(side) == recalls


def test_cells_are_shaded_by_their_share_of_the_true_class() -> None:
    counts = matrix()
    cells, _ = plots.plot_confusion(counts).axes
    right, wrong = cells.images
    share = counts / counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.ma.getdata(right.get_array()), share)
    assert (right.get_array().mask == ~np.eye(10, dtype=bool)).all()
    assert (wrong.get_array().mask == np.eye(10, dtype=bool)).all()
    assert right.get_clim() == (0, 1)
    assert wrong.get_clim() == (0, share[~np.eye(10, dtype=bool)].max())


def test_recall_is_drawn_with_its_interval() -> None:
    counts = matrix()
    _, side = plots.plot_confusion(counts).axes
    for label, (bar, line) in enumerate(zip(side.patches, side.lines, strict=True)):
        right, count = int(counts[label, label]), int(counts[label].sum())
        assert bar.get_width() == right / count
        assert tuple(line.get_xdata()) == wilson_interval(right, count)
        assert list(line.get_ydata()) == [label, label]


def test_the_number_beside_a_short_bar_does_not_lie_on_the_interval() -> None:
    counts = np.full((10, 10), 1)
    _, side = plots.plot_confusion(counts).axes
    for text, line in zip(side.texts, side.lines, strict=True):
        assert text.get_position()[0] > max(line.get_xdata())


def test_the_matrix_names_its_axes_and_classes() -> None:
    figure = plots.plot_confusion(np.eye(10, dtype=np.int64) * 3, title="cnn")
    cells, side = figure.axes
    assert figure.get_suptitle() == "cnn: accuracy 1.0000 on 30 images"
    assert cells.get_xlabel() == "predicted class"
    assert cells.get_ylabel() == "true class"
    assert [label.get_text() for label in cells.get_xticklabels()] == list(CLASS_NAMES)
    assert [label.get_text() for label in cells.get_yticklabels()] == list(CLASS_NAMES)
    assert "95 % interval" in side.get_xlabel()
    untitled = plots.plot_confusion(np.eye(10, dtype=np.int64))
    assert untitled.get_suptitle() == "Accuracy 1.0000 on 10 images"


def test_a_matrix_without_images_or_with_negative_counts_is_refused() -> None:
    for value in (0, -1):
        with pytest.raises(ConfigurationError, match="at least one"):
            plots.plot_confusion(np.full((10, 10), value))


def test_contrast_is_that_of_the_web_guidelines() -> None:
    assert contrast((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)) == pytest.approx(21)
    assert contrast((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)) == 1
    grey = (0x77 / 255,) * 3  # the guidelines' own example of what just fails: 4.48 to 1
    assert contrast(grey, (1.0, 1.0, 1.0)) == pytest.approx(4.48, abs=0.005)
    assert readable_on((0.0, 0.0, 0.3)) == "white"
    assert readable_on((1.0, 1.0, 0.8)) == "black"


# --- predictions ----------------------------------------------------------------------------------


def test_predictions_say_in_words_whether_they_are_right() -> None:
    probabilities = sure_of(torch.tensor([4, 4])).probabilities
    figure = plots.plot_predictions(pictures(2), probabilities, torch.tensor([4, 6]))
    image, bars, other_image, other_bars = figure.axes
    assert texts_of(image) == ["right: Coat 0.91"]
    assert texts_of(other_image) == ["true: Shirt", "wrong: Coat 0.91"]
    assert not bars.texts
    assert to_rgb(bars.patches[4].get_facecolor()) == to_rgb(style.BLUE)
    assert to_rgb(other_bars.patches[4].get_facecolor()) == to_rgb(style.RUST)
    (mark,) = other_bars.texts
    assert "true" in mark.get_text()
    assert mark.get_position()[1] == 6


def test_bars_are_as_long_as_the_probabilities() -> None:
    images = pictures(3)
    probabilities = torch.rand(3, 10, generator=torch.Generator().manual_seed(0)).softmax(1)
    figure = plots.plot_predictions(images, probabilities, labels(3))
    for row in range(3):
        image, bars = figure.axes[2 * row : 2 * row + 2]
        np.testing.assert_allclose(
            image.images[0].get_array(), images[row].numpy() / 255, atol=1e-6
        )
        assert [bar.get_width() for bar in bars.patches] == pytest.approx(
            probabilities[row].tolist()
        )
        assert bars.get_xlim() == (0, 1)
        assert bars.get_xlabel() == "probability"
        assert bars.yaxis_inverted()


def test_without_labels_no_verdict_is_given() -> None:
    figure = drawings["unlabelled predictions"]()
    assert [texts_of(axes) for axes in figure.axes[::2]] == [
        ["T-shirt/top 0.91"],
        ["Trouser 0.91"],
        ["Pullover 0.91"],
    ]
    assert not any(axes.texts for axes in figure.axes[1::2])


def test_the_names_of_the_classes_stand_once_in_each_row_of_images() -> None:
    probabilities = sure_of(labels(5)).probabilities
    figure = plots.plot_predictions(pictures(5), probabilities, columns=3)
    named = [
        [label.get_text() for label in bars.get_yticklabels()] == list(CLASS_NAMES)
        for bars in figure.axes[1::2]
    ]
    assert named == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(0.0, "0.00"), (0.994, "0.99"), (0.996, ">0.99"), (1.0, ">0.99"), (float("nan"), "nan")],
)
def test_no_probability_is_rounded_to_certainty(probability: float, shown: str) -> None:
    assert style.probability_text(probability) == shown


def test_predictions_need_one_row_and_label_for_each_image() -> None:
    with pytest.raises(ConfigurationError, match=r"shape \(3, 10\), not \(2, 10\)"):
        unchecked(plots.plot_predictions)(pictures(3), sure_of(labels(2)).probabilities)
    with pytest.raises(ConfigurationError, match="2 images need 2 labels"):
        unchecked(plots.plot_predictions)(pictures(2), sure_of(labels(2)).probabilities, labels(3))


# --- files ----------------------------------------------------------------------------------------


def test_a_saved_picture_has_no_date_and_150_pixels_to_the_inch(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 1))
    path = plots.save_figure(figure, str(tmp_path / "Picture.PNG"))
    assert path == tmp_path / "Picture.PNG"
    with Image.open(path) as image:
        assert image.size == (300, 150)
        assert set(image.info) == {"dpi"}
    assert [file.name for file in tmp_path.iterdir()] == ["Picture.PNG"]


def test_a_picture_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_text("old")
    plots.save_figure(Figure(), path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["picture.jpg", "picture"])
def test_another_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"end the name in \.png"):
        plots.save_figure(Figure(), tmp_path / name)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none.picture\.png: the folder does not exist"):
        plots.save_figure(Figure(), tmp_path / "none" / "picture.png")
