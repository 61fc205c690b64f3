"""The parser of the command line: short errors, suggestions, words that act on no terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn, TypeVar

from fmnistlab.cli import output
from fmnistlab.errors import suggestion
from fmnistlab.foundation.terminal import one_line

_Action = TypeVar("_Action", bound=argparse.Action)

_SHAPES: Final = {"?": "[{}]", "*": "[{} ...]", "+": "{} ...", argparse.PARSER: "{} ..."}


class Parser(argparse.ArgumentParser):
    """A parser, and parent of those of the commands.

    Wrong usage is told in three lines: the form of the command, what is wrong, where to read more.
    What is parsed has an attribute `settings`: the options of the command by the names that they
    have as `dest`, which are those of the settings in Python.

    Attributes:
        arguments: all options and words, those of `parents` and the commands included.
        inner: parsers that take over where the first word is their name, of a command whose other
            words may be anything, such as files.
    """

    def __init__(self, *, parents: Sequence[Parser] = (), **options: Any) -> None:
        self.arguments: list[argparse.Action] = []  # the inherited one adds --help
        self.inner: dict[str, Parser] = {}
        super().__init__(parents=parents, **options)
        self.arguments += [action for parent in parents for action in parent.arguments]

    @property
    def settings(self) -> dict[str, str]:
        """The options, as they are written, by the names of the settings in Python."""
        return {
            action.dest: next(name for name in action.option_strings if name.startswith("--"))
            for action in self.arguments
            if action.option_strings
        }

    @property
    def form(self) -> str:
        """The command in one line."""
        words = [
            _SHAPES.get(str(action.nargs), "{}").format(action.metavar or action.dest)
            for action in self.arguments
            if not action.option_strings
        ]
        return " ".join([self.prog, "[OPTION ...]", *words])

    def error(self, message: str) -> NoReturn:
        """Prints why a command line is wrong, and ends the process with exit code 2."""
        output.message(f"usage: {self.form}")
        output.error(one_line(message))
        output.message(f"see: {self.prog} --help")
        self.exit(2)

    def parse_known_args(  # type: ignore[override] # the form that argparse itself calls
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parses words; one that is left over is an error, told by the command that it is of."""
        words = list(sys.argv[1:] if args is None else args)
        if words and words[0] in self.inner:
            return self.inner[words[0]].parse_known_args(words[1:], namespace)
        parsed, left_over = super().parse_known_args(words, namespace)
        if left_over:
            name = next((word for word in left_over if word.startswith("-")), left_over[0])
            if name.startswith("-"):
                name = name.partition("=")[0]
                known = [text for action in self.arguments for text in action.option_strings]
                self.error(f"there is no option {name!r}.{suggestion(name, known)}")
            self.error(f"there is no place for the argument {name!r}.")
        if "settings" not in parsed:
            parsed.settings = self.settings
        return parsed, []

    def add_subparsers(self, **options: Any) -> argparse._SubParsersAction[Any]:
        """Adds commands."""
        action = super().add_subparsers(**options)
        self.arguments.append(action)
        return action

    def _add_action(self, action: _Action) -> _Action:
        self.arguments.append(action)
        return super()._add_action(action)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            if action.option_strings:
                wrong = f"{action.option_strings[0]} cannot be {value!r}."
            else:
                wrong = f"there is no command {value!r}."
            near = suggestion(str(value), names)
            raise argparse.ArgumentError(None, f"{wrong}{near} Choose from {', '.join(names)}.")

    def _print_message(self, message: str, file: Any = None) -> None:
        # The inherited one passes over failures, and `--help > full-disk` would look well.
        if file is sys.stdout:
            output.result_block(message.removesuffix("\n"))
        else:
            super()._print_message(message, file)
