"""`fmnistlab predict RUN IMAGES...`."""

from __future__ import annotations

import argparse
import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fmnistlab.cli import output
from fmnistlab.cli.model_option import add_model_option
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import name_argument, path_argument
from fmnistlab.cli.predict_split import predict_split
from fmnistlab.cli.rows import NamedRows, split_rows
from fmnistlab.cli.settings import add_device_option

if TYPE_CHECKING:
    import numpy as np

    from fmnistlab.training.records.predictions import Predictions

_LARGEST_SHEET = 24


class NamedImage(NamedTuple):
    """One image to be classified: what it is called, uint8 (28, 28), its label if known."""

    name: str
    pixels: np.ndarray
    label: int | None


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "predict",
        parents=[common],
        help="classify picture files or rows of CSV files",
        description="Says what the model of a run folder sees on each image, and draws a picture "
        "of the images with their probabilities.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "run", metavar="RUN", type=path_argument, help="a folder that `train` wrote"
    )
    images = parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        type=name_argument,
        help="a picture file (PNG, JPEG, ...), or rows of a CSV file: FILE.csv takes all, "
        "FILE.csv:7 one, FILE.csv:3,5,10-12 a list; the first row is 0. bundled:0-9 are rows of "
        "the test set that ships with fmnistlab. Left out with --split",
    )
    # With nargs="*" argparse would see none where an option stands between RUN and IMAGE.
    images.required = False
    parser.add_argument(
        "--invert",
        action="store_true",
        help="swap black and white of picture files; needed for dark clothes on a white ground",
    )
    parser.add_argument(
        "--picture",
        type=path_argument,
        metavar="FILE",
        help=f"where to draw the first {_LARGEST_SHEET} images (default: RUN/predictions.png); "
        "with --against, those on which the runs differ",
    )
    parser.add_argument(
        "--split",
        choices=("test",),
        metavar="SPLIT",
        help="in the place of IMAGE: test for all images of the run's test set, as its folder has "
        "them",
    )
    parser.add_argument(
        "--against",
        type=path_argument,
        metavar="RUN",
        help="with --split: where another run disagrees; with --json its predictions follow",
    )
    add_model_option(parser)
    add_device_option(parser)
    parser.set_defaults(command=_predict, imports="fmnistlab.training.trainer")


def _predict(options: argparse.Namespace) -> int:
    import numpy as np
    import torch

    from fmnistlab.errors import ConfigurationError
    from fmnistlab.experiments.records.named_model import named_model
    from fmnistlab.experiments.records.reading import read_config
    from fmnistlab.experiments.run_folder import RunFolder
    from fmnistlab.training.trainer import Trainer

    if options.split is not None:
        return predict_split(options)
    if options.against is not None:
        raise ConfigurationError("--against compares test sets; add --split test.")
    if not options.images:
        raise ConfigurationError("There is nothing to predict: name an IMAGE, or --split test.")
    folder = RunFolder.open(options.run)
    model = named_model(folder.path, options.model)
    recipe = read_config(folder.path).recorded_recipe()
    trainer = Trainer.load(folder.checkpoint, model=model, recipe=recipe, device=options.device)
    pictures = [
        picture for word in options.images for picture in _read(word, invert=options.invert)
    ]
    stack = np.stack([picture.pixels for picture in pictures])
    predictions = trainer.predict(torch.from_numpy(stack).unsqueeze(1))
    if options.json:
        output.json_result(_as_json(pictures, predictions))
    else:
        output.result_block(_as_table(pictures, predictions))
    with folder.locked() if options.picture is None else contextlib.nullcontext():
        _draw(pictures, predictions, options.picture or folder.path / "predictions.png")
    return 0


def _read(word: str, *, invert: bool) -> list[NamedImage]:
    """Returns the images that one word of the command line means."""
    from fmnistlab.data.picture import read_picture

    named = split_rows(word)
    if named is not None:
        return _read_rows(named)
    picture = read_picture(word, invert=invert)
    for note in picture.notes:
        output.note(f"{word}: {note}")
    if picture.bright_ground:
        output.note(
            f"{word}: the background is bright, but the model was trained on bright clothes on "
            "black; "
            f"try {'without' if invert else 'with'} --invert"
        )
    return [NamedImage(word, picture.pixels, None)]


def _read_rows(named: NamedRows) -> list[NamedImage]:
    from fmnistlab.data.dataset import FashionMNISTCSV

    data = FashionMNISTCSV.bundled("test") if named.bundled else FashionMNISTCSV(named.source)
    short = Path(named.source).name
    return [
        NamedImage(f"{short}:{row}", data.data[row].numpy(), int(data.targets[row]))
        for row in named.chosen(len(data))
    ]


def _as_table(pictures: list[NamedImage], predictions: Predictions) -> str:
    from fmnistlab.data.schema import CLASS_NAMES
    from fmnistlab.foundation.tables import format_table

    rows: list[list[str | float]] = []
    for picture, probabilities in zip(pictures, predictions.probabilities, strict=True):
        values, classes = probabilities.topk(2)
        row: list[str | float] = [picture.name]
        for value, label in zip(values.tolist(), classes.tolist(), strict=True):
            row += [CLASS_NAMES[label], value]
        if any(other.label is not None for other in pictures):
            row.append("" if picture.label is None else CLASS_NAMES[picture.label])
        rows.append(row)
    columns = ["image", "predicted", "probability", "next", "probability", "true"]
    width = shutil.get_terminal_size((1000, 24)).columns
    return format_table(columns[: len(rows[0])], rows, width=width)


def _as_json(pictures: list[NamedImage], predictions: Predictions) -> list[dict[str, object]]:
    import numpy as np

    from fmnistlab.data.content_hash import image_hashes
    from fmnistlab.data.schema import CLASS_NAMES

    return [
        {
            "image": picture.name,
            "sha256": sha256.tobytes().hex(),
            "label": label,
            "class": CLASS_NAMES[label],
            "probabilities": dict(zip(CLASS_NAMES, probabilities, strict=True)),
            "true": None if picture.label is None else CLASS_NAMES[picture.label],
        }
        for picture, sha256, label, probabilities in zip(
            pictures,
            image_hashes(np.stack([picture.pixels for picture in pictures])),
            predictions.labels.tolist(),
            predictions.probabilities.tolist(),
            strict=True,
        )
    ]


def _draw(pictures: list[NamedImage], predictions: Predictions, path: Path) -> None:
    import numpy as np

    from fmnistlab.errors import MissingExtraError
    from fmnistlab.plots import plot_predictions, save_figure
    from fmnistlab.plots.figures import off_screen

    shown = pictures[:_LARGEST_SHEET]
    labels = [picture.label for picture in shown if picture.label is not None]
    try:
        with off_screen():
            figure = plot_predictions(
                np.stack([picture.pixels for picture in shown]),
                predictions.probabilities[: len(shown)],
                np.array(labels) if len(labels) == len(shown) else None,
            )
    except MissingExtraError as error:
        output.note(f"no picture was drawn: {error}")
        return
    save_figure(figure, path)
    output.message(f"picture: {path}")
