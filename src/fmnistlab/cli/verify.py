"""`fmnistlab verify RUN`."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from pathlib import Path

from fmnistlab.json_text import json_text


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
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
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.set_defaults(command=_verify)


def _verify(options: argparse.Namespace) -> int:
    from fmnistlab.training.callbacks import ProgressBar
    from fmnistlab.verification import verify_run

    logging.getLogger("fmnistlab.experiment").setLevel(logging.INFO)
    verification = verify_run(options.run, [ProgressBar()])
    if options.json:
        print(json_text({"matches": verification.matches, **dataclasses.asdict(verification)}))
    elif verification.matches:
        print(f"match: {', '.join(verification.compared)}, to the last bit")
        print(f"pictures: {verification.pictures} are there")
    else:
        for difference in verification.differences:
            print(f"different: {difference}")
        for change in verification.environment:
            print(f"perhaps because: {change}")
    return 0 if verification.matches else 1
