"""`fmnistlab search MODEL`."""

from __future__ import annotations

import argparse
import logging
import shutil
from pathlib import Path

from fmnistlab.cli import output
from fmnistlab.cli.numbers import require_numbers, whole_argument
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import path_argument
from fmnistlab.cli.settings import (
    add_data_options,
    add_device_option,
    add_model_options,
    add_recipe_options,
    chosen_options,
    chosen_recipe,
    given_settings,
)
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.logger import get_logger

_PICTURE = "learning-rate-range.png"


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "search",
        parents=[common],
        help="search for better settings, and test the winner with fresh seeds",
        description="Trains MODEL many times with settings that Optuna proposes, and judges each "
        "trial by its validation accuracy. The test set is left alone until the end: the winner is "
        "trained anew with seeds that no trial had, and each of these runs is tested once. The "
        "same command goes on after an interruption, with the trials that it would have had "
        "anyway; with more trials it adds to them.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a name that `fmnistlab models` lists, or code of your own"
    )
    parser.add_argument(
        "--trials",
        type=whole_argument,
        default=50,
        metavar="N",
        help="how many trials (default: 50)",
    )
    parser.add_argument(
        "--space",
        type=path_argument,
        metavar="FILE",
        help="what to search: a TOML or JSON file with a table for each setting of the recipe, and "
        "for options of the model below [model], each with low and high, or choices (default: "
        "learning rate, batch size and schedule)",
    )
    parser.add_argument(
        "--seed",
        type=whole_argument,
        default=0,
        metavar="N",
        help="determines what is proposed and the seed of each training (default: 0)",
    )
    parser.add_argument(
        "--prune",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="end a trial early that is below the median of the trials before it "
        "(default: --prune)",
    )
    parser.add_argument(
        "--fresh-seeds",
        type=whole_argument,
        default=5,
        metavar="N",
        help="trainings of the winner, each of which is tested once, from 2 (default: 5)",
    )
    parser.add_argument(
        "--jobs",
        dest="n_jobs",
        type=whole_argument,
        default=1,
        metavar="N",
        help="trials at the same time, each with one thread; they are asked for together, so "
        "another number gives other trials; -1: one for each core (default: 1)",
    )
    parser.add_argument(
        "--out",
        type=path_argument,
        metavar="DIR",
        help="the folder of the search (default: runs/search-MODEL)",
    )
    parser.add_argument(
        "--learning-rate-range",
        action="store_true",
        help="do not search: make a few hundred steps with a rising learning rate, and tell where "
        f"the loss falls and explodes; a picture goes to {_PICTURE} in --out",
    )
    add_data_options(parser)
    add_model_options(parser)
    add_recipe_options(parser, " but for what is searched")
    add_device_option(parser)
    parser.set_defaults(command=_search, imports="fmnistlab.experiments.searching.search")


def _search(options: argparse.Namespace) -> int:
    from tqdm.contrib.logging import logging_redirect_tqdm

    from fmnistlab.experiments.searching.search import search

    require_numbers(
        options, dict.fromkeys(("trials", "seed", "fresh_seeds", "n_jobs"), "a whole number")
    )
    if options.learning_rate_range:
        if options.space is not None:
            raise ConfigurationError("--learning-rate-range does not search; leave out --space.")
        return _learning_rate_range(options)
    _refuse_given_twice(options)
    for name in ("searching.search", "comparison.compare", "parts"):
        get_logger(f"fmnistlab.experiments.{name}").setLevel(logging.INFO)
    with logging_redirect_tqdm():
        found = search(
            options.model,
            trials=options.trials,
            space=options.space,
            recipe=chosen_recipe(options),
            model_options=chosen_options(options.model, options.model_options),
            seed=options.seed,
            prune=options.prune,
            fresh_seeds=options.fresh_seeds,
            data=options.data,
            train=options.train,
            test=options.test,
            device=options.device,
            n_jobs=options.n_jobs,
            out=options.out,
        )
    if options.json:
        output.json_result(found.to_dict())
    else:
        width = shutil.get_terminal_size((1000, 24)).columns
        output.result_block(found.to_text(width=width))
        output.result(f"search: {_from_here(found.folder)}")
    return 1 if found.fresh.test is None else 0


def _refuse_given_twice(options: argparse.Namespace) -> None:
    """Refuses what is both given and searched."""
    from fmnistlab.experiments.searching.space import read_space

    if options.space is None:
        return
    searched = {dimension.name for dimension in read_space(options.space).dimensions}
    model = chosen_options(options.model, options.model_options)
    given = [*map(set, given_settings(options)), {f"model.{name}" for name in model}]
    if both := sorted(searched & set().union(*given)):
        raise ConfigurationError(
            f"{both[0]} is given, and {options.space} searches it too; leave one of them out."
        )


def _learning_rate_range(options: argparse.Namespace) -> int:
    """Makes a range test on the part of the training set that a training would learn from."""
    import functools

    from fmnistlab.experiments.config import ExperimentConfig
    from fmnistlab.experiments.parts import load_parts
    from fmnistlab.models.registry import create_model
    from fmnistlab.training.rate_range import learning_rate_range

    recipe, chosen = chosen_recipe(options), chosen_options(options.model, options.model_options)
    config = ExperimentConfig(
        model=options.model, data=options.data, train=options.train, test=options.test
    )
    maker = functools.partial(create_model, options.model, **chosen)
    found = learning_rate_range(
        maker,
        load_parts(config).fit,
        recipe=recipe,
        seed=options.seed,
        device=options.device,
    )
    picture = None
    if options.out is not None:
        from fmnistlab import plots
        from fmnistlab.plots.figures import off_screen

        options.out.mkdir(parents=True, exist_ok=True)
        with off_screen():
            figure = plots.plot_learning_rate_range(found, title=options.model)
        picture = plots.save_figure(figure, options.out / _PICTURE)
    if options.json:
        output.json_result(
            {**found.to_dict(), "picture": None if picture is None else str(picture)}
        )
        return 0
    output.result_block(str(found))
    if picture is not None:
        output.result(f"picture: {picture}")
    return 0


def _from_here(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
