"""`fmnistlab models`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fmnistlab.cli import output
from fmnistlab.cli.parser import Parser
from fmnistlab.errors import FmnistlabError

if TYPE_CHECKING:
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
        help="show the layers of this model instead; also my_model.py:Net, package.module:Net",
    )
    parser.add_argument(
        "--names", action="store_true", help="list the names alone; nothing is imported for it"
    )
    parser.set_defaults(command=_models)


def _models(options: argparse.Namespace) -> int:
    if options.names:
        from fmnistlab.models.registry import list_models

        names = list_models()
        output.json_result(names) if options.json else output.result_block("\n".join(names))
        return 0
    if options.model is not None:
        return _show(options.model, as_json=options.json)
    from fmnistlab.models.registry import find_models, unreadable_packages

    found = [_describe(source) for sources in find_models().values() for source in sources]
    for sentence in unreadable_packages():
        output.note(sentence)
    if options.json:
        output.json_result(found)
        return 0
    from fmnistlab.foundation.tables import format_table
    from fmnistlab.foundation.terminal import one_line

    rows = [
        (entry["name"], entry["parameters"], entry["package"], entry["version"]) for entry in found
    ]
    output.result_block(format_table(["name", "parameters", "package", "version"], rows))
    for entry in found:
        if entry["error"] is not None:
            output.result()
            output.result(one_line(f"{entry['name']} cannot be used: {entry['error']}"))
    return 0


def _describe(source: Offer) -> dict[str, str | int | None]:
    """Builds one model to learn its size; whatever is wrong with it stays in its own line."""
    from fmnistlab.models.registry import create_model

    parameters, error = None, source.refusal
    if error is None:
        try:
            model = create_model(f"{source.package}:{source.name}")
            parameters = sum(parameter.numel() for parameter in model.parameters())
        except FmnistlabError as problem:
            error = str(problem)
    return {
        "name": source.name,
        "parameters": parameters,
        "package": source.package,
        "version": source.version,
        "error": error,
    }


def _show(name: str, *, as_json: bool) -> int:
    import dataclasses

    from fmnistlab.models.layers import summary
    from fmnistlab.models.registry import create_model

    shown = summary(create_model(name))
    if as_json:
        output.json_result(dataclasses.asdict(shown))
    else:
        output.result_block(str(shown))
    return 0
