"""`fmnistlab verify RUN`."""

from __future__ import annotations

import argparse
import dataclasses
import logging

from fmnistlab.cli import output
from fmnistlab.cli.paths import path_argument
from fmnistlab.logger import get_logger


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "verify",
        parents=[common],
        help="repeat a training and say whether every bit is the same",
        description="Repeats the training of a run folder with the settings in it and compares "
        "each epoch, the weights and the test. Exit code 0: all the same; 1: it departed.",
        allow_abbrev=False,
    )
    parser.add_argument("run", type=path_argument, metavar="RUN", help="a run folder")
    parser.set_defaults(command=_verify)


def _verify(options: argparse.Namespace) -> int:
    from fmnistlab.training.callbacks import ProgressBar
    from fmnistlab.verification import verify_run

    get_logger("fmnistlab.experiment").setLevel(logging.INFO)
    verification = verify_run(options.run, [ProgressBar()])
    if options.json:
        output.json_result({"matches": verification.matches, **dataclasses.asdict(verification)})
    elif verification.matches:
        output.result(
            f"match: {verification.epochs} epochs, the weights and the test, to the last bit"
        )
    else:
        for departure in verification.departures:
            output.result(f"departed: {departure}")
        for difference in verification.surroundings:
            output.result(f"perhaps because of: {difference}")
    return 0 if verification.matches else 1
