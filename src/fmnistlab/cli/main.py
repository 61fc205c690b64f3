"""The command line: which command, which exit code, which words on standard error."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import fmnistlab.cli.compare
import fmnistlab.cli.data
import fmnistlab.cli.evaluate
import fmnistlab.cli.models
import fmnistlab.cli.predict
import fmnistlab.cli.recipes
import fmnistlab.cli.report
import fmnistlab.cli.runs
import fmnistlab.cli.search
import fmnistlab.cli.train
import fmnistlab.cli.verify
from fmnistlab.cli import output
from fmnistlab.cli.completion import SHELLS, PrintCompletion
from fmnistlab.cli.parser import Parser
from fmnistlab.errors import FmnistlabError, Terminated
from fmnistlab.foundation.logger import PrintableFormatter
from fmnistlab.foundation.terminal import describe, text_of
from fmnistlab.foundation.wording import spoken
from fmnistlab.training.loop.interruption import raise_on_termination
from fmnistlab.version import __version__

_COMMANDS = (
    fmnistlab.cli.train,
    fmnistlab.cli.evaluate,
    fmnistlab.cli.predict,
    fmnistlab.cli.verify,
    fmnistlab.cli.compare,
    fmnistlab.cli.report,
    fmnistlab.cli.search,
    fmnistlab.cli.runs,
    fmnistlab.cli.models,
    fmnistlab.cli.recipes,
    fmnistlab.cli.data,
)

_EPILOG = """\
examples:
  fmnistlab train cnn                         train the tutorial's CNN on the real data
  fmnistlab train linearnet --epochs 3 --seed 1 --out runs/try
  fmnistlab train cnn --recipe my.toml --set epochs=5
  fmnistlab evaluate runs/try
  fmnistlab predict runs/try shoe.png
  fmnistlab compare linearnet cnn --seeds 10  which is better, and how sure is that?
  fmnistlab report runs/try --open            one page of it, as a file
  fmnistlab search cnn --trials 50            which settings are better?

exit codes:
  0 success   1 failure   2 wrong usage   3 bad data   4 bad checkpoint   5 no room or memory
  130 after Ctrl-C   143 after SIGTERM   129 after SIGHUP
"""


def run(
    arguments: Sequence[str],
    importing: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
) -> int:
    """Runs one command.

    Results go to standard output; progress, logs and errors to standard error.

    Args:
        arguments: the words after the program's name.
        importing: within it, what the command needs is imported.

    Returns:
        The exit code; 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """
    try:
        options = build_parser().parse_args(arguments)
    except FmnistlabError as error:  # it was to print help, or a completion script
        return complain(error)
    _log_to_standard_error(options.verbose)
    try:
        with raise_on_termination(), spoken(options.settings), output.results_alone():
            if options.imports is not None:
                with importing():
                    importlib.import_module(options.imports)
            code: int = options.command(options)
    except (KeyboardInterrupt, Terminated) as ended:
        code = 130 if isinstance(ended, KeyboardInterrupt) else int(str(ended.code))
        output.error("interrupted" if code == 130 else "terminated")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the last resort; all is told
        return complain(error, verbose=options.verbose)
    return code


def complain(error: BaseException, *, verbose: int = 0) -> int:
    """Prints why a command failed: one line, or the traceback if `verbose` is at least 2.

    Nothing is printed where the result is not read: `| head` is no failure to be told.

    Returns:
        The exit code for this kind of error.
    """
    if isinstance(error, output.ResultUnreadError):
        return error.exit_code
    code, words = 1, text_of(error)
    if isinstance(error, FmnistlabError):
        code = error.exit_code
    elif isinstance(error, MemoryError):
        code, words = 5, "out of memory. Close other programs, or take a smaller model."
    elif isinstance(error, OSError):
        words = _in_words(error)
    else:
        words = (
            f"unexpected error: {describe(error)}. This is a fault of fmnistlab or of a plug-in; "
            "run again with -vv to see where, and report it."
        )
    if verbose > 1:
        output.traceback(error)
    else:
        output.error(words)
    return 5 if getattr(error, "errno", None) in _NO_ROOM else code


def _in_words(error: OSError) -> str:
    """Returns "file: reason." where the operating system told both, else the error's own text."""
    if error.filename is None or error.strerror is None:
        return text_of(error)
    name = error.filename
    return f"{os.fsdecode(name) if isinstance(name, bytes) else name}: {error.strerror}."


def _log_to_standard_error(verbose: int) -> None:
    """Sends log records, of other packages too, to standard error, if no handler is set."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(handlers=[handler], level=level)


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser with all commands; it imports nothing heavy."""
    parser = Parser(
        prog="fmnistlab",
        description="The Fashion-MNIST laboratory: train, test and look at small image models.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fmnistlab {__version__}")
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        metavar="SHELL",
        help="print a script that completes commands, options and models in SHELL: "
        f"{', '.join(SHELLS)}",
    )
    common = Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the result as JSON")
    common.add_argument(
        "-v", "--verbose", action="count", default=0, help="log more; twice: everything"
    )
    parser.set_defaults(imports=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        module.add_parser(commands, common)
    return parser


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG)
