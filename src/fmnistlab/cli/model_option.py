"""The option that says where the code of a run's model is."""

from __future__ import annotations

import argparse


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--model`."""
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="where the code of the run's model is, such as my_model.py:Net; needed if no "
        "installed package offers it, because a run folder is never asked to run code",
    )
