"""`fmnistlab compare VARIANT...`."""

from __future__ import annotations

import argparse
import functools
import logging
import shutil
from pathlib import Path

from fmnistlab.cli import output
from fmnistlab.cli.numbers import parse_ranges, real_argument, require_numbers, whole_argument
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import path_argument
from fmnistlab.cli.settings import (
    add_data_options,
    add_device_option,
    add_recipe_options,
    chosen_recipe,
    with_settings,
)
from fmnistlab.foundation.checks import number
from fmnistlab.foundation.logger import get_logger


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "compare",
        parents=[common],
        help="train several models with several seeds, and say which is better",
        description="Trains each VARIANT with several seeds, tests every run once, and says in "
        "words which is better and how sure that is: on these test images, and on others of this "
        "kind. Finished runs are kept: the same command goes on after an interruption, and one "
        "with more seeds or variants trains only what is missing. Exit code 1: a run failed.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "variants",
        metavar="VARIANT",
        nargs="+",
        help="a model (linearnet), one with options (mlp,hidden=64), with a recipe (cnn@classic, "
        "cnn@my.toml), with settings of it (cnn@epochs=3,batch_size=64), or with all of these; or "
        "a run folder; run folders that differ only in the seed are one variant",
    )
    parser.add_argument(
        "--seeds",
        default="10",
        metavar="N|LIST",
        help="how many seeds, from 0, or which: 0-4,7 (default: 10)",
    )
    parser.add_argument(
        "--baseline",
        metavar="VARIANT",
        help="compare all others with this one (default: all pairs)",
    )
    parser.add_argument(
        "--smallest",
        type=real_argument,
        default=0.5,
        metavar="POINTS",
        help="smallest difference of interest in percentage points (default: 0.5)",
    )
    parser.add_argument(
        "--jobs",
        dest="n_jobs",
        type=whole_argument,
        default=-1,
        metavar="N",
        help="runs at the same time, each with one thread; -1: one for each core (default: -1)",
    )
    parser.add_argument(
        "--out",
        type=path_argument,
        metavar="DIR",
        help="the folder of the comparison (default: runs/compare-VARIANTS, "
        "and none for finished run folders alone)",
    )
    parser.add_argument("--fail-fast", action="store_true", help="end at the first run that fails")
    add_data_options(parser)
    add_recipe_options(parser, " where a VARIANT does not say it")
    add_device_option(parser)
    parser.set_defaults(command=_compare, imports="fmnistlab.experiments.comparison.compare")


def _compare(options: argparse.Namespace) -> int:
    from tqdm.contrib.logging import logging_redirect_tqdm

    from fmnistlab.experiments.comparison.compare import compare
    from fmnistlab.experiments.comparison.request import is_run_folder
    from fmnistlab.experiments.sweep.variant import Variant, parse_variant
    from fmnistlab.models.option_types import check_written_options
    from fmnistlab.reporting.report import report

    wanted = {"n_jobs": "a whole number", "smallest": "a number of percentage points"}
    require_numbers(options, wanted)
    recipe = chosen_recipe(options)
    change = functools.partial(with_settings, options=options)
    variants = [
        word if is_run_folder(word) else parse_variant(word, recipe, change)
        for word in options.variants
    ]
    for variant in variants:
        if isinstance(variant, Variant):
            check_written_options(variant.model, variant.model_options)
    get_logger("fmnistlab.experiments.comparison.compare").setLevel(logging.INFO)
    with logging_redirect_tqdm():
        comparison = compare(
            variants,
            seeds=_seeds(options.seeds),
            baseline=options.baseline,
            smallest=number("smallest", options.smallest, above=0, below=100) / 100,
            data=options.data,
            train=options.train,
            test=options.test,
            device=options.device,
            n_jobs=options.n_jobs,
            out=options.out,
            fail_fast=options.fail_fast,
        )
    page = None if comparison.folder is None else report(comparison)
    if options.json:
        output.json_result(comparison.to_dict())
    else:
        width = shutil.get_terminal_size((1000, 24)).columns
        output.result_block(comparison.to_text(width=width))
        if comparison.folder is not None:
            output.result(f"comparison: {_from_here(comparison.folder)}")
        if page is not None:
            output.result(f"report: {_from_here(page)}")
    return 1 if comparison.failures else 0


def _from_here(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _seeds(word: str) -> int | list[int]:
    """Returns how many seeds, or which."""
    from fmnistlab.experiments.comparison.request import MOST_SEEDS

    if word.isdecimal():
        return int(word)
    named = parse_ranges(word, source="--seeds", item="seed", most=MOST_SEEDS)
    return [seed for part in named for seed in part]
