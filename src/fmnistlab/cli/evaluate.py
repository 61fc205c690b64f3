"""`fmnistlab evaluate RUN`."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from fmnistlab.cli import output
from fmnistlab.cli.model_option import add_model_option
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import path_argument
from fmnistlab.cli.settings import add_device_option, add_metric_option

if TYPE_CHECKING:
    from fmnistlab.training.records.metrics import Metrics


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "evaluate",
        parents=[common],
        help="measure a trained model again, on the same or on other data",
        description="Measures the model of a run folder on its test set, or on another CSV file, "
        "and prints loss, accuracy with its 95 % interval, and a line for each class.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "run", metavar="RUN", type=path_argument, help="a folder that `train` wrote"
    )
    parser.add_argument(
        "--data",
        "--test",
        type=path_argument,
        metavar="FILE",
        help="a CSV file to measure on, all of it (default: the run's own test set)",
    )
    add_model_option(parser)
    add_metric_option(parser, "measure this too, besides what the training measured")
    parser.add_argument(
        "--average-flips",
        action="store_true",
        help="print a second line, for which the model sees each image and its mirror image and "
        "their scores are averaged",
    )
    add_device_option(parser)
    parser.set_defaults(command=_evaluate, imports="fmnistlab.training.trainer")


def _evaluate(options: argparse.Namespace) -> int:
    from fmnistlab.data.dataset import FashionMNISTCSV
    from fmnistlab.data.source import load_data
    from fmnistlab.errors import DataFormatError
    from fmnistlab.experiments.records.named_model import named_model
    from fmnistlab.experiments.records.reading import read_config, read_result
    from fmnistlab.experiments.run_folder import RunFolder
    from fmnistlab.foundation.logger import get_logger
    from fmnistlab.training.records.classification import class_scores
    from fmnistlab.training.trainer import Trainer

    folder = RunFolder.open(options.run)
    recorded_test = None
    model = named_model(folder.path, options.model)
    config = read_config(folder.path)
    recorded, names = config.data, [*dict.fromkeys([*config.metrics, *options.metrics])]
    trainer = Trainer.load(
        folder.checkpoint,
        model=model,
        recipe=config.recorded_recipe(),
        device=options.device,
        metrics=names,
    )
    if options.data is not None:
        data = FashionMNISTCSV(options.data)
    else:
        _, data = load_data(**recorded.places())
        if data.fingerprint != recorded.test.fingerprint:
            raise DataFormatError(
                data.name,
                "is no longer the test set of this run: its fingerprint differs. Put the old file "
                "back, or name a file with --data",
            )
    if data.fingerprint == recorded.test.fingerprint:
        recorded_test = read_result(folder.path).test
    metrics = trainer.evaluate(data)
    if recorded_test is not None and metrics.accuracy != recorded_test.accuracy:
        get_logger(__name__).warning(
            "%s: the run recorded an accuracy of %s on these images, now it is %s: the model's "
            "code, its environment or its weights have changed",
            folder.path,
            recorded_test.accuracy,
            metrics.accuracy,
        )
    averaged = trainer.evaluate(data, average_flips=True) if options.average_flips else None
    scores = class_scores(data.targets, trainer.predict(data))
    if options.json:
        content = {
            **_content(metrics),
            "average_flips": None if averaged is None else _content(averaged),
            "fingerprint": data.fingerprint,
            "classes": [dataclasses.asdict(score) for score in scores],
        }
        output.json_result(content)
        return 0
    output.result(str(metrics))
    if averaged is not None:
        output.result(str(averaged))
    output.result()
    output.result_block(str(scores))
    return 0


def _content(metrics: Metrics) -> dict[str, object]:
    """Returns a measurement as values of JSON."""
    return {
        "loss": metrics.loss,
        "accuracy": metrics.accuracy,
        "accuracy_interval_95": metrics.accuracy_interval(),
        "count": metrics.count,
        "extra": metrics.extra,
    }
