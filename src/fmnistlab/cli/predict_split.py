"""`fmnistlab predict RUN --split test`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from fmnistlab.cli import output

if TYPE_CHECKING:
    from fmnistlab.experiments.records.predictions import RunPredictions
    from fmnistlab.experiments.two_runs import Disagreement


def predict_split(options: argparse.Namespace) -> int:
    """Prints what a run says of each image of its test set, or where another disagrees.

    Raises:
        ConfigurationError: images or a picture are named too.
    """
    from fmnistlab.errors import ConfigurationError
    from fmnistlab.experiments.prediction import run_predictions
    from fmnistlab.experiments.two_runs import disagreement

    if options.images or options.invert:
        raise ConfigurationError(
            "--split takes the images of the run's test set; name no IMAGE or --invert."
        )
    if options.picture is not None and options.against is None:
        raise ConfigurationError(
            "With --split, --picture shows where two runs disagree; add --against RUN."
        )
    said = run_predictions(options.run, model=options.model, device=options.device)
    if options.against is None:
        if options.json:
            output.json_result(_as_json(said))
        else:
            output.result_block(_as_table(said))
        return 0
    other = run_predictions(options.against, device=options.device)
    found = disagreement(said, other, names=_names(options.run, options.against))
    if options.json:
        # Their order is that of the hashes; a row of either test set would say nothing here.
        sides = {"one": _as_json(found.one), "other": _as_json(found.other)}
        for said_of in sides.values():
            for image in said_of:
                del image["row"]
        output.json_result(sides)
    else:
        output.result_block(str(found))
    if options.picture is not None:
        _draw(found, options.run, options.picture)
    return 0


def _names(one: Path, other: Path) -> tuple[str, str]:
    """Returns what two runs are called: their folders, as briefly as they can be told apart."""
    short = one.resolve().name, other.resolve().name
    return short if short[0] != short[1] else (str(one), str(other))


def _draw(found: Disagreement, run: Path, picture: Path) -> None:
    from fmnistlab.experiments.records.reading import read_config
    from fmnistlab.plots.figures import off_screen
    from fmnistlab.plots.saving import save_figure
    from fmnistlab.reporting.found_images import read_test_set

    with off_screen():
        figure = found.plot(read_test_set(read_config(run).data), 24)
    output.message(f"picture: {save_figure(figure, picture)}")


def _as_json(said: RunPredictions) -> list[dict[str, object]]:
    from fmnistlab.data.schema import CLASS_NAMES

    return [
        {
            "row": row,
            "sha256": bytes(sha256).hex(),
            "label": label,
            "class": CLASS_NAMES[label],
            "probabilities": dict(zip(CLASS_NAMES, probabilities, strict=True)),
            "true": CLASS_NAMES[true],
        }
        for row, (sha256, label, probabilities, true) in enumerate(
            zip(
                said.images.tolist(),
                said.labels.tolist(),
                said.probabilities.tolist(),
                said.targets.tolist(),
                strict=True,
            )
        )
    ]


def _as_table(said: RunPredictions) -> str:
    from fmnistlab.data.schema import CLASS_NAMES
    from fmnistlab.foundation.tables import Column, format_table

    columns: list[str | Column] = [Column("row", "d"), "sha256", "predicted", "probability", "true"]
    rows = [
        (row, bytes(sha256).hex()[:12], CLASS_NAMES[label], probability, CLASS_NAMES[true])
        for row, (sha256, label, probability, true) in enumerate(
            zip(
                said.images.tolist(),
                said.labels.tolist(),
                said.probabilities.max(dim=1).values.tolist(),
                said.targets.tolist(),
                strict=True,
            )
        )
    ]
    return format_table(columns, rows, width=shutil.get_terminal_size((1000, 24)).columns)
