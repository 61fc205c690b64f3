"""`fmnistlab data`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fmnistlab.cli import output
from fmnistlab.cli.audit import audit_parser
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import path_argument

if TYPE_CHECKING:
    from fmnistlab.data.dataset import FashionMNISTCSV

_DEFAULT_PICTURE = Path("fashion-mnist-samples.png")


def add_parser(
    commands: argparse._SubParsersAction[Parser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "data",
        parents=[common],
        help="show the data, check a CSV file, export the bundled files",
        description="Shows what is in the data that ships with fmnistlab, or reads your CSV files "
        "as strictly as a training would and shows what is in them. `fmnistlab data audit` looks "
        "for what may be wrong with it; see its --help.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        type=path_argument,
        help="CSV files to check (default: bundled)",
    )
    parser.add_argument(
        "--train",
        type=path_argument,
        metavar="FILE",
        help="a training set, with --test: two files as `train` takes them",
    )
    parser.add_argument("--test", type=path_argument, metavar="FILE", help="its test set")
    parser.add_argument(
        "--expect",
        metavar="CONTENT",
        help="what each FILE must hold: fashion-mnist for the official training or test set, or a "
        "fingerprint",
    )
    parser.add_argument(
        "--picture",
        nargs="?",
        type=path_argument,
        const=_DEFAULT_PICTURE,
        metavar="FILE",
        help=f"draw ten images of each class into FILE (default: {_DEFAULT_PICTURE})",
    )
    parser.add_argument(
        "--export",
        type=path_argument,
        metavar="DIR",
        help="write the bundled data as fashion-mnist_train.csv and fashion-mnist_test.csv",
    )
    parser.inner["audit"] = audit_parser(common)
    parser.set_defaults(command=_data, imports="fmnistlab.data.source")


def _data(options: argparse.Namespace) -> int:
    from fmnistlab.data.dataset import FashionMNISTCSV
    from fmnistlab.data.source import load_data
    from fmnistlab.errors import ConfigurationError

    both = [path for path in (options.train, options.test) if path is not None]
    files = options.files or both
    if options.files and both:
        raise ConfigurationError("Name files as FILE or by --train and --test, not both.")
    if options.export is not None:
        if files:
            raise ConfigurationError("--export writes the bundled data; name no FILE with it.")
        return _export(options.export)
    if both and options.expect is None:
        tables = [*load_data(train=options.train, test=options.test)]
    elif files:
        tables = [FashionMNISTCSV(path, expect=options.expect) for path in files]
    elif options.expect is not None:
        raise ConfigurationError(
            "--expect says what a FILE must hold; name one. (The bundled data is always checked.)"
        )
    else:
        tables = [FashionMNISTCSV.bundled(part) for part in ("train", "test")]
    if options.json:
        output.json_result([_describe(table) for table in tables])
    else:
        for table in tables:
            _print(table)
    if options.picture is not None:
        _draw(tables[0], options.picture)
    elif not options.json:
        output.message("see it: fmnistlab data --picture")
    return 0


def _describe(table: FashionMNISTCSV) -> dict[str, object]:
    pixels = table.data.double() / 255
    return {
        "name": table.name,
        "rows": len(table),
        "fingerprint": table.fingerprint,
        "pixel_mean": pixels.mean().item(),
        "pixel_std": pixels.std(correction=0).item(),
        "classes": _class_counts(table),
    }


def _class_counts(table: FashionMNISTCSV) -> dict[str, int]:
    counts = table.targets.bincount(minlength=len(table.classes)).tolist()
    return dict(zip(table.classes, counts, strict=True))


def _print(table: FashionMNISTCSV) -> None:
    from fmnistlab.foundation.tables import format_table

    facts = _describe(table)
    output.result(table.name)
    output.result(f"  rows         {len(table):,} images of 28 x 28 pixels")
    output.result(
        f"  pixels       mean {facts['pixel_mean']:.5f}, deviation {facts['pixel_std']:.5f}"
    )
    output.result(f"  fingerprint  {table.fingerprint}")
    output.result()
    rows = [(label, *entry) for label, entry in enumerate(_class_counts(table).items())]
    output.result_block(format_table(["label", "class", "images"], rows))
    output.result()


def _draw(table: FashionMNISTCSV, path: Path) -> None:
    from fmnistlab.plots import plot_samples, save_figure
    from fmnistlab.plots.figures import off_screen

    with off_screen():
        save_figure(plot_samples(table.data, table.targets, title=table.name), path)
    output.result(f"picture: {path}")


def _export(folder: Path) -> int:
    from fmnistlab.data.dataset import FashionMNISTCSV
    from fmnistlab.errors import DataFileError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataFileError(f"{folder}: cannot be made: {error.strerror}.") from error
    paths = {part: folder / f"fashion-mnist_{part}.csv" for part in ("train", "test")}
    for path in paths.values():
        if os.path.lexists(path):
            raise DataFileError(f"{path}: exists already; remove it or name another folder.")
    for part, path in paths.items():
        FashionMNISTCSV.bundled(part).to_csv(path)
        output.result(str(path))
    return 0
