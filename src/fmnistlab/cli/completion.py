"""`fmnistlab --print-completion SHELL`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final, cast

from fmnistlab.cli import output
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import name_argument, path_argument
from fmnistlab.errors import MissingExtraError

SHELLS: Final = ("bash", "zsh", "tcsh", "fish", "powershell")
_MODELS: Final = "fmnistlab models --names"
_RECIPES: Final = "fmnistlab recipes --names"

# Names that packages offer, and files, which may hold a model or a recipe.
_BASH: Final = f"""
_fmnistlab_models() {{
  compgen -W "$({_MODELS} 2>/dev/null)" -- "$1"
  compgen -f -X '!*.py' -- "$1"
  compgen -d -- "$1"
}}
_fmnistlab_recipes() {{
  compgen -W "$({_RECIPES} 2>/dev/null)" -- "$1"
  compgen -f -X '!*.toml' -- "$1"
  compgen -f -X '!*.json' -- "$1"
  compgen -d -- "$1"
}}"""


class PrintCompletion(argparse.Action):
    """Prints a script that completes commands, options, models and files, and ends."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: Any = None
    ) -> None:
        """Prints the script for the shell that was named.

        Raises:
            MissingExtraError: shtab, which writes such scripts, is not installed.
        """
        output.result_block(completion_script(cast("Parser", parser), values))
        parser.exit()


def completion_script(parser: Parser, shell: str) -> str:
    """Returns the script for a shell.

    Args:
        parser: of the whole command line; its actions learn how they are completed.
        shell: one of `SHELLS`.

    Raises:
        MissingExtraError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise MissingExtraError(
            "completion scripts need shtab: python -m pip install 'fmnistlab[completion]'"
        ) from error

    named = {
        "model": _completed(shtab.cmd(_MODELS), "_fmnistlab_models"),
        "recipe": _completed(shtab.cmd(_RECIPES), "_fmnistlab_recipes"),
    }
    for action in _actions(parser):
        if action.dest in named:
            vars(action)["complete"] = named[action.dest]  # where shtab looks for it
        elif action.type in (path_argument, name_argument):
            vars(action)["complete"] = shtab.FILE
    return str(shtab.complete(parser, shell)).rstrip("\n")


def _completed(command: Any, function: str) -> dict[str, Any]:
    """Returns how an argument is completed: by a command's output, in bash by a function."""
    return {**command, "bash": function, "preamble": {**command["preamble"], "bash": _BASH}}


def _actions(parser: Parser) -> Iterator[argparse.Action]:
    """Yields the arguments of a parser and of its commands."""
    for action in parser.arguments:
        yield action
        for choice in (action.choices or {}).values() if isinstance(action.choices, dict) else ():
            yield from _actions(choice)
