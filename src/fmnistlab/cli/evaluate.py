"""`fmnistlab evaluate RUN`."""

from __future__ import annotations

import argparse
import dataclasses

from fmnistlab.cli import output
from fmnistlab.cli.model_option import add_model_option
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import path_argument


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
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
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
    recipe = read_config(folder.path).recorded_recipe()
    trainer = Trainer.load(folder.checkpoint, model=model, recipe=recipe, device=options.device)
    recorded = read_config(folder.path).data
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
    scores = class_scores(data.targets, trainer.predict(data))
    if options.json:
        content = {
            "loss": metrics.loss,
            "accuracy": metrics.accuracy,
            "accuracy_interval_95": metrics.accuracy_interval(),
            "count": metrics.count,
            "fingerprint": data.fingerprint,
            "classes": [dataclasses.asdict(score) for score in scores],
        }
        output.json_result(content)
        return 0
    output.result(str(metrics))
    output.result()
    output.result_block(str(scores))
    return 0
