"""`fmnistlab data audit [FILE|DIR ...]`."""

from __future__ import annotations

import argparse
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from fmnistlab.cli import output
from fmnistlab.cli.numbers import real_argument, require_numbers, whole_argument
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import name_argument, path_argument
from fmnistlab.cli.settings import add_device_option
from fmnistlab.foundation.atomic_file import check_replaceable
from fmnistlab.foundation.checks import whole_number
from fmnistlab.foundation.logger import get_logger

if TYPE_CHECKING:
    from fmnistlab.auditing.result import Audit
    from fmnistlab.data.dataset import FashionMNISTCSV


def audit_parser(common: Parser) -> Parser:
    """Returns the parser of the command.

    Args:
        common: options of all commands.
    """
    parser = Parser(
        prog="fmnistlab data audit",
        parents=[common],
        description="Looks for what may be wrong with the data: equal, mirrored and nearly equal "
        "images, within files and across them; constant images; drift between the files; and, "
        "with --model, labels in doubt, which are candidates, not errors.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "places",
        metavar="FILE|DIR",
        nargs="*",
        type=path_argument,
        help="CSV files, or folders with a training and a test set (default: bundled)",
    )
    parser.add_argument(
        "--near",
        type=real_argument,
        default=None,
        metavar="LEVELS",
        help="how far apart near duplicates may be: root mean square of the differences of their "
        "pixels, in grey levels of 255 (default: 10); 0 does not look for them",
    )
    parser.add_argument(
        "--model",
        action="append",
        type=name_argument,
        metavar="MODEL|RUN",
        help="whose predictions tell which labels are in doubt: a model, which is trained for it "
        "on all images but a part, in turn; or a run folder or a comparison's, for the images of "
        "their test sets. Folders may be given repeatedly",
    )
    parser.add_argument(
        "--folds", type=whole_argument, default=5, metavar="N", help="parts (default: 5)"
    )
    parser.add_argument(
        "--seeds",
        type=whole_argument,
        default=3,
        metavar="N",
        help="how often the model is trained for each part (default: 3)",
    )
    parser.add_argument(
        "--epochs", type=whole_argument, metavar="N", help="of each training (default: 10)"
    )
    add_device_option(parser)
    parser.add_argument(
        "--most",
        type=whole_argument,
        default=10,
        metavar="N",
        help="lines of each table, and images of each picture (default: 10)",
    )
    parser.add_argument(
        "--pictures",
        type=path_argument,
        metavar="DIR",
        help="draw near duplicates and labels in doubt into near.png and labels.png in DIR",
    )
    parser.add_argument(
        "--report",
        type=path_argument,
        metavar="FILE",
        help="write all of it, with the images, as one HTML file",
    )
    parser.set_defaults(command=_audit, imports="fmnistlab.auditing.examination")
    return parser


def _audit(options: argparse.Namespace) -> int:
    from tqdm.contrib.logging import logging_redirect_tqdm

    from fmnistlab.auditing.examination import NEAR, audit

    whole = "a whole number from 1"
    require_numbers(
        options,
        {
            "near": "a number of grey levels",
            "folds": whole,
            "seeds": whole,
            "epochs": whole,
            "most": whole,
        },
    )
    most = whole_number("most", options.most)
    # Whoever waits for trainings wants to hear before them that there is no place for the result.
    if options.report is not None:
        _make_folder(options.report.parent)
        check_replaceable(options.report)
    if options.pictures is not None:
        _make_folder(options.pictures)
    get_logger("fmnistlab.auditing.examination").setLevel(logging.INFO)
    near = NEAR if options.near is None else options.near or None
    model = options.model
    with logging_redirect_tqdm():
        found = audit(
            *_parts(options.places),
            near=near,
            model=model[0] if model is not None and len(model) == 1 else model,
            epochs=options.epochs,
            folds=options.folds,
            seeds=options.seeds,
            device=options.device,
        )
    if options.json:
        output.json_result(found.to_dict())
    else:
        width = shutil.get_terminal_size((1000, 24)).columns
        output.result_block(found.to_text(most=most, width=width))
    if options.report is not None:
        from fmnistlab.reporting.report import report

        output.message(f"report: {report(found, options.report)}")
    if options.pictures is not None:
        _draw(found, options.pictures, most)
    return 0


def _parts(places: list[Path]) -> list[FashionMNISTCSV]:
    from fmnistlab.data.dataset import FashionMNISTCSV
    from fmnistlab.data.source import load_data

    if not places:
        return [*load_data()]
    return [
        part
        for place in places
        for part in (load_data(place) if place.is_dir() else [FashionMNISTCSV(place)])
    ]


def _make_folder(folder: Path) -> None:
    from fmnistlab.errors import DataFileError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataFileError(f"{folder}: cannot be made: {error.strerror}.") from error


def _draw(found: Audit, folder: Path, most: int) -> None:
    from fmnistlab.plots.figures import off_screen
    from fmnistlab.plots.saving import save_figure

    with off_screen():
        figures = {
            "near.png": found.plot_near(most) if found.near else None,
            "labels.png": found.plot_candidates(most) if found.candidates else None,
        }
    for name, figure in figures.items():
        if figure is not None:
            output.message(f"picture: {save_figure(figure, folder / name)}")
