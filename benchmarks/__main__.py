"""Speed and memory, side by side, each contender in a fresh process and in turns.

Every subcommand but `report` measures, merges its raw numbers into a JSON file and prints its
tables; `report` prints all tables of that file and draws the pictures.
"""

from __future__ import annotations

import argparse
import sys
from types import ModuleType

from benchmarks.commands import (
    ablation,
    data,
    evaluate,
    memory,
    report,
    result,
    roofs,
    scaling,
    seeds,
    start,
    train,
    whole_command,
)
from benchmarks.commands.options import add_out, positive
from benchmarks.environment import environment
from benchmarks.results_file import merge_results, read_results, sections_of

COMMANDS: dict[str, ModuleType] = {
    "train": train,
    "result": result,
    "scaling": scaling,
    "evaluate": evaluate,
    "data": data,
    "start": start,
    "command": whole_command,
    "memory": memory,
    "seeds": seeds,
    "roofs": roofs,
    "ablation": ablation,
}
"""All that measure, in the order of the report."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a subcommand; returns 1 if a contender failed or did not learn, else 0."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "report":
        report.run(options, COMMANDS)
        return 0
    names = COMMANDS if options.command == "all" else [options.command]
    failed = False
    for name in names:
        failed |= _measure(name, _completed(parser, name, options))
    return int(failed)


def _measure(name: str, options: argparse.Namespace) -> bool:
    """Measures, keeps and prints; returns whether a contender failed."""
    command, facts = COMMANDS[name], environment()
    jobs, entries = command.measure(options)
    merge_results(options.out, sections_of(name, jobs, entries, facts))
    print(report.markdown(read_results(options.out), {name: command}), flush=True)
    failures = [
        f"{name}: {job.name}: {entry.reason}"
        for job, entry in zip(jobs, entries, strict=True)
        if entry.status == "failed"
    ]
    for failure in failures:
        print(f"FAILED {failure}", file=sys.stderr)
    return bool(failures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subcommands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        own = subcommands.add_parser(name, help=command.TITLE, description=command.__doc__)
        command.add_options(own)
        add_out(own)
    together = subcommands.add_parser("all", help="all of these, one after the other")
    together.add_argument(
        "--rounds", type=positive, metavar="N", help="for all (default: each has its own)"
    )
    together.add_argument(
        "--threads", type=positive, metavar="N", help="for all that have a choice (default: 2)"
    )
    add_out(together)
    report.add_options(subcommands.add_parser("report", help="all tables and the pictures"))
    return parser


def _completed(
    parser: argparse.ArgumentParser, name: str, options: argparse.Namespace
) -> argparse.Namespace:
    """Returns the options of a subcommand, also where "all" stands for it."""
    if options.command != "all":
        return options
    defaults = vars(parser.parse_args([name]))
    chosen = {
        option: vars(options)[option]
        for option in ("rounds", "threads", "out")
        if option in defaults and vars(options)[option] is not None
    }
    return argparse.Namespace(**defaults | chosen)


if __name__ == "__main__":
    sys.exit(main())
