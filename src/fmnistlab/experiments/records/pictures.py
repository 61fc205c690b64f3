"""The pictures of a run folder: drawn, and found again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.errors import MissingExtraError
from fmnistlab.foundation.regular_file import read_regular_file
from fmnistlab.training.records.classification import confusion_matrix
from fmnistlab.training.records.history import History
from fmnistlab.training.records.predictions import Predictions

PICTURES: Final = ("curves.png", "samples.png", "mistakes.png", "confusion.png")
"""What a training draws."""

_LARGEST: Final = 2**26
_LARGEST_SIDE: Final = 2**31 - 1
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEADER: Final = b"\0\0\0\x0dIHDR"
_END: Final = b"\0\0\0\0IEND\xaeB`\x82"


class DrawnPictures(NamedTuple):
    """What came of drawing.

    Attributes:
        names: of the files that were written.
        notes: why pictures could not be drawn, in words; empty if all could.
    """

    names: tuple[str, ...]
    notes: tuple[str, ...]


def write_pictures(
    folder: Path,
    history: History,
    fit_set: FashionMNISTCSV,
    test: FashionMNISTCSV,
    predictions: Predictions,
    *,
    run: str,
) -> DrawnPictures:
    """Writes curves, samples, mistakes and the confusion matrix as PNG files.

    Args:
        folder: where to.
        history: of the training.
        fit_set: what was learned from.
        test: the test set.
        predictions: of the trained model on it.
        run: its name in the titles, such as "cnn, seed 0".
    """
    try:
        _draw(folder, history, fit_set, test, predictions, run=run)
    except MissingExtraError as error:
        return DrawnPictures((), (f"no pictures were drawn: {error}",))
    return DrawnPictures(PICTURES, ())


def _draw(
    folder: Path,
    history: History,
    fit_set: FashionMNISTCSV,
    test: FashionMNISTCSV,
    predictions: Predictions,
    *,
    run: str,
) -> None:
    from fmnistlab import plots  # noqa: PLC0415 - matplotlib is optional
    from fmnistlab.plots.figures import off_screen  # noqa: PLC0415 - for matplotlib too

    learned, tested = f"{run}: {fit_set.name}", f"{run}, {test.name}"
    matrix = confusion_matrix(test.targets, predictions)
    with off_screen():
        figures = (
            plots.plot_curves(history, title=learned),
            plots.plot_samples(fit_set.data, fit_set.targets, title=fit_set.name),
            plots.plot_mistakes(test.data, test.targets, predictions, title=tested),
            plots.plot_confusion(matrix, title=tested),
        )
    for name, figure in zip(PICTURES, figures, strict=True):
        plots.save_figure(figure, folder / name)


def picture_faults(folder: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Returns in words what is wrong with the pictures of a run folder.

    Args:
        folder: the run folder.
        names: the pictures that its result names.

    Returns:
        A sentence for each that is missing or no whole PNG file, that is named twice, or that is
        there without being named.
    """
    faults = [f"{name}: {fault}" for name in names if (fault := _fault(folder / name))]
    faults += [
        f"result.json: pictures: {name} is named twice"
        for at, name in enumerate(names)
        if name in names[:at]
    ]
    return (
        *faults,
        *(
            f"result.json: pictures: {name} is in the folder, but is not named"
            for name in PICTURES
            if name not in names and (folder / name).exists()
        ),
    )


def _fault(path: Path) -> str | None:
    try:
        content = read_regular_file(path, limit=_LARGEST)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    start = len(_SIGNATURE) + len(_HEADER)
    sides = [int.from_bytes(content[at : at + 4], "big") for at in (start, start + 4)]
    if content[:start] != _SIGNATURE + _HEADER or not content.endswith(_END):
        return "is no whole PNG file"
    if not all(0 < side <= _LARGEST_SIDE for side in sides):
        return "says that it has no pixels"
    return None
