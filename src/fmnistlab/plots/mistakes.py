"""The images that a model got most confidently wrong."""

from __future__ import annotations

from typing import Final

from torch import Tensor

from fmnistlab.data.schema import CLASS_NAMES, IMAGE_SIZE
from fmnistlab.errors import ConfigurationError
from fmnistlab.plots.figures import DPI, FigureT
from fmnistlab.plots.grid import Sheet
from fmnistlab.plots.style import (
    INK,
    MEDIUM,
    RUST,
    SMALL,
    Images,
    bare,
    brightness,
    probability_text,
    show_image,
)
from fmnistlab.shapes import Int64
from fmnistlab.training.records.classification import worst_mistakes
from fmnistlab.training.records.predictions import Predictions

_SIDE: Final = 8 * IMAGE_SIZE / DPI


def plot_mistakes(
    images: Images,
    targets: Int64[Tensor, "rows"],
    predictions: Predictions,
    n: int = 12,
    *,
    columns: int = 4,
    title: str = "",
    figure: FigureT | None = None,
) -> FigureT:
    """Draws the wrong images the model was most sure of, the surest first.

    Above each image stand its true class, the predicted one, and the probability that the model
    gave to that.

    Args:
        images: uint8 0..255 or floats 0..1, shape (rows, 28, 28) or (rows, 1, 28, 28).
        targets: the right labels, int64, 0 to 9, shape (rows,).
        predictions: what the model said about the same images.
        n: how many to show at most, at least 1.
        columns: images in a row.
        title: of what, such as "cnn, seed 0, test set"; stands before the number of mistakes.
        figure: an empty figure or subfigure to draw on; None for a new figure of fitting size.

    Returns:
        The figure, with one axes for each mistake; if the model made none, one that says so.

    Raises:
        ConfigurationError: images, targets and predictions are not equally many, `n` is below 1,
            or the images are of another shape or range.
        MissingExtraError: matplotlib is not installed.
    """
    if n < 1:
        raise ConfigurationError(f"n must be at least 1, not {n}.")
    if len(images) != len(targets):
        raise ConfigurationError(f"{len(images)} images need as many targets, not {len(targets)}.")
    rows = worst_mistakes(targets, predictions, n)
    wrong = int((targets.cpu() != predictions.labels.cpu()).sum())
    mistakes = "1 mistake" if wrong == 1 else f"{wrong:,} mistakes"
    heading = f"{len(rows)} most confident of {mistakes} in {len(targets):,} images"
    heading = f"{title}: {heading}" if title else heading
    if not len(rows):
        grid = Sheet(1, 1, 4.5, 0.5, title=title).on(figure)
        axes = grid.axes(0, left=0.0, top=0.0, width=4.5, height=0.5)
        bare(axes)
        message = f"no mistakes in {len(targets):,} images"
        size = MEDIUM * grid.scale
        axes.text(0.5, 0.5, message, fontsize=size, color=INK, ha="center", va="center")
        return grid.figure
    pictures = brightness(images[rows] if isinstance(images, Tensor) else images[rows.numpy()])
    grid = Sheet(len(rows), columns, 1.73, _SIDE + 0.36, gap=0.22, title=heading).on(figure)
    confidence = predictions.confidence.cpu()
    for cell, (row, picture) in enumerate(zip(rows.tolist(), pictures, strict=True)):
        axes = grid.axes(cell, left=0.0, top=0.36, width=_SIDE, height=_SIDE)
        show_image(axes, picture)
        predicted = CLASS_NAMES[int(predictions.labels[row])]
        lines = {
            f"true: {CLASS_NAMES[int(targets[row])]}": INK,
            f"predicted: {predicted} {probability_text(float(confidence[row]))}": RUST,
        }
        for (line, color), height in zip(lines.items(), (0.20, 0.05), strict=True):
            place = 0.0, 1 + height / _SIDE
            size = SMALL * grid.scale
            axes.text(*place, line, fontsize=size, color=color, transform=axes.transAxes)
    return grid.figure
