"""`fmnistlab models`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from fmnistlab.cli import output
from fmnistlab.cli.listing import print_offers
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.settings import add_model_options, chosen_options
from fmnistlab.errors import ConfigurationError, FmnistlabError
from fmnistlab.foundation.checks import shown
from fmnistlab.foundation.terminal import describe

if TYPE_CHECKING:
    from fmnistlab.models.options import ModelOption
    from fmnistlab.models.registry import Offer


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "models",
        parents=[common],
        help="list all models, with size and origin, or what is wrong with them",
        description="Lists every model that an installed package offers: its name, the number of "
        "its parameters and the package it comes from, or the reason why it cannot be used.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="show the layers and the options of this model instead; also my_model.py:Net, "
        "package.module:Net",
    )
    add_model_options(parser)
    parser.add_argument(
        "--names", action="store_true", help="list the names alone; nothing is imported for it"
    )
    parser.set_defaults(command=_models)  # --names imports nothing


def _models(options: argparse.Namespace) -> int:
    if options.names:
        if options.model is not None or options.model_options:
            raise ConfigurationError("--names is given without MODEL and --model-option.")
        from fmnistlab.models.registry import list_models

        names = list_models()
        output.json_result(names) if options.json else output.result_block("\n".join(names))
        return 0
    if options.model is not None:
        given = chosen_options(options.model, options.model_options)
        return _show(options.model, given, as_json=options.json)
    if options.model_options:
        raise ConfigurationError("--model-option needs the MODEL that it is an option of.")
    from fmnistlab.models.registry import find_models, unreadable_packages

    found = [_describe(source) for sources in find_models().values() for source in sources]
    shown = ("name", "parameters", "package", "version")
    columns = dict(zip(shown, shown, strict=True))
    print_offers(found, columns, unreadable_packages(), as_json=options.json)
    return 0


def _describe(source: Offer) -> dict[str, str | int | None]:
    """Builds one model to learn its size; whatever is wrong with it stays in its own line."""
    from torch.nn.parameter import is_lazy

    from fmnistlab.models.registry import create_model

    parameters, error = None, source.refusal
    if error is None:
        try:
            model = create_model(f"{source.package}:{source.name}")
            if not any(map(is_lazy, model.parameters())):  # their shapes come with the first batch
                parameters = sum(parameter.numel() for parameter in model.parameters())
        except Exception as problem:  # noqa: BLE001 - a stranger's module, and told in its line
            error = str(problem) if isinstance(problem, FmnistlabError) else describe(problem)
    return {
        "name": source.name,
        "parameters": parameters,
        "package": source.package,
        "version": source.version,
        "error": error,
    }


def _show(name: str, given: dict[str, Any], *, as_json: bool) -> int:
    import dataclasses

    from fmnistlab.foundation.tables import format_table
    from fmnistlab.models.layers import summary
    from fmnistlab.models.registry import create_model, model_options

    layers = summary(create_model(name, **given))
    taken = model_options(name)
    if as_json:
        options = None if taken is None else [_told(option) for option in taken]
        output.json_result({**dataclasses.asdict(layers), "options": options})
        return 0
    output.result_block(str(layers))
    if taken:
        rows = [tuple(_told(option).values()) for option in taken]
        output.result()
        output.result_block(format_table(["option", "type", "default"], rows))
    return 0


def _told(option: ModelOption) -> dict[str, str | None]:
    """Returns an option in words; its default as one would write it here, if JSON can say it."""
    import json

    try:
        default = json.dumps(option.default)
    except (TypeError, ValueError):
        default = shown(option.default)
    return {
        "name": option.name,
        "type": option.kind or None,
        "default": None if option.required else default,
    }
