"""The command line: which command, which exit code, which words on standard error."""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import os
import sys
from collections.abc import Sequence

import fmnistlab.cli.data
import fmnistlab.cli.evaluate
import fmnistlab.cli.models
import fmnistlab.cli.predict
import fmnistlab.cli.train
import fmnistlab.cli.verify
from fmnistlab.errors import FmnistlabError, Terminated
from fmnistlab.training.interruption import heed_termination
from fmnistlab.version import __version__

_COMMANDS = (
    fmnistlab.cli.train,
    fmnistlab.cli.evaluate,
    fmnistlab.cli.predict,
    fmnistlab.cli.verify,
    fmnistlab.cli.models,
    fmnistlab.cli.data,
)

_EPILOG = """\
examples:
  fmnistlab train cnn                         train the tutorial's CNN on the real data
  fmnistlab train linearnet --epochs 3 --seed 1 --out runs/try
  fmnistlab evaluate runs/try
  fmnistlab predict runs/try shoe.png

exit codes:
  0 success   1 failure   2 wrong usage   3 bad data   4 bad checkpoint   5 no room or memory
  130 after Ctrl-C   143 after SIGTERM
"""


def run(arguments: Sequence[str]) -> int:
    """Runs one command.

    Results go to standard output; progress, logs and errors to standard error.

    Args:
        arguments: the words after the program's name.

    Returns:
        The exit code; 130 after Ctrl-C, 143 after SIGTERM.
    """
    options = build_parser().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        format="%(message)s",
        level={0: logging.WARNING, 1: logging.INFO}.get(options.verbose, logging.DEBUG),
    )
    try:
        with heed_termination():
            code: int = options.command(options)
        sys.stdout.flush()
    except FmnistlabError as error:
        if options.verbose > 1:
            raise
        return _complain(error, 5 if getattr(error, "errno", None) in _NO_ROOM else error.exit_code)
    except BrokenPipeError:
        # Somebody closed the pipe, as `| head` does. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, Terminated) as ended:
        code = 130 if isinstance(ended, KeyboardInterrupt) else int(str(ended.code))
        return _complain("interrupted" if code == 130 else "terminated", code)
    except MemoryError:
        return _complain("out of memory. Close other programs, or take a smaller model.", 5)
    except OSError as error:
        if options.verbose > 1:
            raise
        return _complain(error, 5 if error.errno in _NO_ROOM else 1)
    return code


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser with all commands; it imports nothing heavy."""
    parser = argparse.ArgumentParser(
        prog="fmnistlab",
        description="The Fashion-MNIST laboratory: train, test and look at small image models.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fmnistlab {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the result as JSON")
    common.add_argument(
        "-v", "--verbose", action="count", default=0, help="log more; twice: everything"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        module.add_parser(commands, common)
    return parser


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG)


def _complain(problem: object, code: int) -> int:
    """Prints one line on standard error and returns the exit code."""
    with contextlib.suppress(OSError):
        print(f"fmnistlab: error: {' '.join(str(problem).split())}", file=sys.stderr)
    return code
