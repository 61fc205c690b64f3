"""Runs commands of ours with standard streams that are closed, broken or full, each in a fork.

    python -m tests.stream_cases '[{"words": ["--version"], "stdout": "closed"}]'

Forks of a process that has imported everything take a moment; new processes would take seconds. It
prints for each case the exit code and what reached the streams that are whole.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

STREAMS = ("stdin", "stdout", "stderr")


def spoil(descriptor: int, how: str, case: int) -> None:
    """Puts a stream into the state that a shell may have left it in."""
    if how == "closed":  # >&-
        os.close(descriptor)
        setattr(sys, STREAMS[descriptor], None)
        setattr(sys, f"__{STREAMS[descriptor]}__", None)
        return
    if how == "broken":  # a reader that has gone
        reading, opened = os.pipe()
        os.close(reading)
    elif how == "full":
        opened = os.open("/dev/full", os.O_WRONLY)
    else:
        opened = os.open(f"{case}.{STREAMS[descriptor]}", os.O_WRONLY | os.O_CREAT)
    os.dup2(opened, descriptor)
    os.close(opened)


def run_case(number: int, case: dict[str, Any]) -> dict[str, Any]:
    """Runs one case; returns only in the parent."""
    child = os.fork()
    if child == 0:
        for descriptor in (1, 2):
            spoil(descriptor, case.get(STREAMS[descriptor], "whole"), number)
        if case.get("stdin") == "closed":
            spoil(0, "closed", number)
        from fmnistlab.__main__ import main

        sys.argv = ["fmnistlab", *case["words"]]
        main()
    _, status = os.waitpid(child, 0)
    texts = {
        name: path.read_text() if (path := Path(f"{number}.{name}")).exists() else ""
        for name in STREAMS[1:]
    }
    return {"code": os.waitstatus_to_exitcode(status), **texts}


def main() -> None:
    import matplotlib.figure  # noqa: F401
    import sklearn.metrics
    import sklearn.model_selection  # noqa: F401

    import fmnistlab.experiment
    import fmnistlab.results.plots
    import fmnistlab.verification  # noqa: F401

    cases = json.loads(sys.argv[1])
    results = [run_case(number, case) for number, case in enumerate(cases)]
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
