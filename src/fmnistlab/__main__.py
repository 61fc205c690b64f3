"""`python -m fmnistlab` is the same as `fmnistlab`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and exits with its code."""
    # The console script imports this module, and the streams come before all that may open files.
    from fmnistlab.cli.streams import prepare_streams  # noqa: PLC0415 - nothing else before it

    prepare_streams()
    from fmnistlab.cli.process import run_process  # noqa: PLC0415 - it may open files

    sys.exit(run_process(sys.argv[1:]))


if __name__ == "__main__":
    main()
