"""`fmnistlab verify RUN`."""

from __future__ import annotations

import argparse
import dataclasses
import logging

from fmnistlab.cli import output
from fmnistlab.cli.model_option import add_model_option
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import name_argument, path_argument
from fmnistlab.foundation.logger import get_logger


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "verify",
        parents=[common],
        help="repeat a training and say whether every bit is the same",
        description="Compares the files of a run folder with each other, then repeats its training "
        "with the settings in it and compares every epoch, tensor and result. Nothing is written "
        "there. Exit code 0: all the same; 1: something differs; 4: the checkpoint is damaged.",
        allow_abbrev=False,
    )
    parser.add_argument("run", type=path_argument, metavar="RUN", help="a run folder")
    add_model_option(parser)
    parser.add_argument(
        "--recipe",
        type=name_argument,
        metavar="NAME|FILE",
        help="the recipe that the run was trained with; needed if it names an augmentation that no "
        "installed package offers",
    )
    parser.set_defaults(command=_verify, imports="fmnistlab.experiments.verification")


def _verify(options: argparse.Namespace) -> int:
    from fmnistlab.experiments.verification import verify_run
    from fmnistlab.training.callbacks.progress import ProgressBar
    from fmnistlab.training.recipes.file import recipe_of

    for name in ("experiment", "parts"):
        get_logger(f"fmnistlab.experiments.{name}").setLevel(logging.INFO)
    recipe = None if options.recipe is None else recipe_of(options.recipe)
    watching = [ProgressBar()]
    verification = verify_run(options.run, watching, model=options.model, recipe=recipe)
    if options.json:
        output.json_result({"matches": verification.matches, **dataclasses.asdict(verification)})
    elif verification.matches:
        output.result(f"match: {', '.join(verification.compared)}, to the last bit")
        output.result(f"pictures: {verification.pictures} are there")
    else:
        for difference in verification.differences:
            output.result(f"different: {difference}")
        for change in verification.environment:
            output.result(f"perhaps because: {change}")
    return 0 if verification.matches else 1
