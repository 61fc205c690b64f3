"""Options that say what is trained and how: data, a model's options, a recipe, settings of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from fmnistlab.cli.numbers import real_argument, require_numbers, whole_argument
from fmnistlab.cli.paths import name_argument, path_argument
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.assignments import parse_assignments

if TYPE_CHECKING:
    from fmnistlab.training.recipes.recipe import Recipe

_SHORTHANDS: Final = {
    "epochs": ("--epochs", "N", "passes over the data", "a whole number"),
    "batch_size": ("--batch-size", "N", "images in a batch", "a whole number"),
    "learning_rate": ("--lr", "RATE", "learning rate", "a number"),
}


class Once(argparse.Action):
    """Keeps the value of an option that may be given once: a second one would win unnoticed."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None
    ) -> None:
        """Keeps the value.

        Raises:
            argparse.ArgumentError: there is one already.
        """
        if getattr(namespace, self.dest) is not None:
            raise argparse.ArgumentError(None, f"{option} is given twice; give it once.")
        setattr(namespace, self.dest, values)


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--data`, `--train` and `--test`."""
    parser.add_argument(
        "--data",
        type=path_argument,
        metavar="DIR|FILE",
        help="folder with fashion-mnist_train.csv and fashion-mnist_test.csv, or one CSV file, of "
        "which a fifth is held out as test set (default: the real data, which ships with "
        "fmnistlab)",
    )
    parser.add_argument(
        "--train",
        type=path_argument,
        metavar="FILE",
        help="the training set, a CSV file of any name; with --test, and without --data",
    )
    parser.add_argument("--test", type=path_argument, metavar="FILE", help="the test set, likewise")


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--device`."""
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: auto)"
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--model-option`."""
    parser.add_argument(
        "--model-option",
        dest="model_options",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the model, such as hidden=64; `fmnistlab models MODEL` lists them; may "
        "be repeated",
    )


def add_metric_option(parser: argparse.ArgumentParser, does: str) -> None:
    """Adds `--metric`.

    Args:
        parser: of a command that measures.
        does: what is done with it, for the help.
    """
    parser.add_argument(
        "--metric",
        dest="metrics",
        action="append",
        default=[],
        metavar="NAME",
        help=f"{does}: top_2_accuracy to top_9_accuracy, macro_f1, balanced_accuracy, "
        "matthews_corrcoef, error; may be repeated",
    )


def add_recipe_options(parser: argparse.ArgumentParser, whose: str) -> None:
    """Adds `--recipe`, `--set` and its shorthands.

    Args:
        parser: of a command that trains.
        whose: what they hold for, for the help.
    """
    parser.add_argument(
        "--recipe",
        type=name_argument,
        action=Once,
        metavar="NAME|FILE",
        help=f"how to train{whose}: a name that `fmnistlab recipes` lists, or a file, my.toml or "
        "my.json (default: classic)",
    )
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value of a setting of the recipe, such as schedule=cosine, a word or a value "
        "of JSON; `fmnistlab recipes classic` lists them; may be repeated",
    )
    for name, (option, metavar, words, kind) in _SHORTHANDS.items():
        parser.add_argument(
            option,
            dest=name,
            action=Once,
            type=whole_argument if kind == "a whole number" else real_argument,
            metavar=metavar,
            help=f"{words} (default: the recipe's)",
        )


def chosen_options(model: str, words: Sequence[str]) -> dict[str, Any]:
    """Returns the options of a model that `--model-option` gives.

    Raises:
        ConfigurationError: a word is no option, or a name is there twice.
        FmnistlabError: as of `check_written_options`.
    """
    from fmnistlab.models.option_types import check_written_options

    found = parse_assignments(words, "--model-option", item="option", example="hidden=64")
    check_written_options(model, found)
    return found


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """Returns the recipe that a command names, with the settings that it gives.

    Raises:
        FmnistlabError: there is no such recipe or setting, or a setting is given twice.
    """
    from fmnistlab.training.recipes.file import recipe_of
    from fmnistlab.training.recipes.named import CLASSIC

    return with_settings(CLASSIC if options.recipe is None else recipe_of(options.recipe), options)


def with_settings(recipe: Recipe, options: argparse.Namespace) -> Recipe:
    """Returns a recipe with the settings that a command gives.

    Args:
        recipe: what is changed.
        options: what was parsed.

    Raises:
        ConfigurationError: there is no such setting, or one is given twice.
    """
    from fmnistlab.training.recipes.changes import changed_recipe

    short, changes = given_settings(options)
    return changed_recipe(recipe.replace(**short), changes, "--set")


def given_settings(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the settings of a recipe that a command gives by words of their own, and by `--set`.

    Raises:
        ConfigurationError: a word is no setting, or one is given twice.
    """
    require_numbers(options, {name: kind for name, (*_, kind) in _SHORTHANDS.items()})
    changes = parse_assignments(options.changes, "--set")
    short = {name: getattr(options, name) for name in _SHORTHANDS}
    short = {name: value for name, value in short.items() if value is not None}
    for name in short:
        if name in changes:
            raise ConfigurationError(
                f"{name} is given twice, by {_SHORTHANDS[name][0]} and by --set; give it once."
            )
    return short, changes
