"""`fmnistlab recipes`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from fmnistlab.cli import output
from fmnistlab.cli.listing import print_offers
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import name_argument
from fmnistlab.errors import ConfigurationError, FmnistlabError

if TYPE_CHECKING:
    from fmnistlab.plugins.offers import Offer


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "recipes",
        parents=[common],
        help="list all recipes, or the settings of one",
        description="Lists every recipe, built in or offered by an installed package: its name, "
        "what a built-in one reaches on the test images and costs, or the settings in which it "
        "differs from classic, and the package, or the reason why it cannot be used.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        nargs="?",
        type=name_argument,
        help="show all settings of this recipe instead, as a file that --recipe takes: lines of "
        "TOML, or with --json JSON; also my.toml, my.json",
    )
    parser.add_argument(
        "--names", action="store_true", help="list the names alone; nothing is imported for it"
    )
    parser.add_argument(
        "--augmentations",
        action="store_true",
        help="list the augmentations that a recipe can name, and what each does, instead",
    )
    parser.set_defaults(command=_recipes)


def _recipes(options: argparse.Namespace) -> int:
    from fmnistlab.training.recipes.registry import (
        find_recipes,
        list_recipes,
        unreadable_packages,
    )

    if options.augmentations:
        if options.recipe is not None or options.names:
            raise ConfigurationError("--augmentations is given alone, without RECIPE and --names.")
        return _list_augmentations(as_json=options.json)
    if options.names:
        if options.recipe is not None:
            raise ConfigurationError("--names is given without RECIPE.")
        names = list_recipes()
        output.json_result(names) if options.json else output.result_block("\n".join(names))
        return 0
    if options.recipe is not None:
        return _show(options.recipe, as_json=options.json)
    found = [_describe(offer) for offers in find_recipes().values() for offer in offers]
    columns = {"name": "name", "told": "what it reaches, or its settings"}
    columns |= {"package": "package", "version": "version"}
    told = [{**entry, "told": entry["reached"] or _told(entry["changes"])} for entry in found]
    shown = found if options.json else told
    print_offers(shown, columns, unreadable_packages(), as_json=options.json)
    return 0


def _told(changes: dict[str, Any] | None) -> str | None:
    """Returns settings as one would write them here."""
    from fmnistlab.foundation.assignments import format_assignments

    return None if changes is None else format_assignments(changes)


def _describe(offer: Offer) -> dict[str, Any]:
    """Loads one recipe; whatever is wrong with it stays in its own line."""
    from fmnistlab.training.recipes.changes import changed_settings
    from fmnistlab.training.recipes.registry import REACHED, named_recipe

    changes, error = None, offer.refusal
    if error is None:
        try:
            changes = changed_settings(named_recipe(f"{offer.package}:{offer.name}").describe())
        except FmnistlabError as problem:
            error = str(problem)
    return {
        "name": offer.name,
        "reached": REACHED.get(offer.name) if offer.package == "fmnistlab" else None,
        "changes": changes,
        "package": offer.package,
        "version": offer.version,
        "error": error,
    }


def _show(name: str, *, as_json: bool) -> int:
    from fmnistlab.training.recipes.file import recipe_of, toml_text

    described = recipe_of(name).describe()
    if as_json:
        output.json_result(described)
    else:
        output.result_block(toml_text(described).removesuffix("\n"))
    return 0


def _list_augmentations(*, as_json: bool) -> int:
    from fmnistlab.data.augmentation.registry import find_augmentations, unreadable_packages

    offers = [offer for found in find_augmentations().values() for offer in found]
    columns = {name: name for name in ("name", "does", "package", "version")}
    shown = [_describe_augmentation(offer) for offer in offers]
    print_offers(shown, columns, unreadable_packages(), as_json=as_json)
    return 0


def _describe_augmentation(offer: Offer) -> dict[str, Any]:
    """Loads one augmentation; whatever is wrong with it stays in its own line."""
    from fmnistlab.data.augmentation.registry import load_augmentation
    from fmnistlab.foundation.terminal import one_line

    kind, error = None, offer.refusal
    if error is None:
        try:
            kind = load_augmentation(
                offer.name if offer.is_own else f"{offer.package}:{offer.name}"
            )
        except FmnistlabError as problem:
            error = str(problem)
    lines = (getattr(kind, "__doc__", None) or "").strip().splitlines()
    return {
        "name": kind.__name__ if kind is not None and offer.is_own else offer.name,
        "does": one_line(lines[0]) if lines else None,
        "package": offer.package,
        "version": offer.version,
        "error": error,
    }
