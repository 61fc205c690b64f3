"""`python -m fmnistlab` is the same as `fmnistlab`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and exits with its code."""
    from fmnistlab.cli.main import run  # noqa: PLC0415 - the console script imports this module

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
