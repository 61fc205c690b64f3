"""Runs commands of ours with standard streams that are closed, broken or full, each in a fork.

    python -m tests.cli.stream_cases '[[], {"words": ["--version"], "stdout": "closed"}]'

Forks of a process that has imported everything take a moment; new processes would take seconds. The
first item of the list holds commands to be run before, for all that they import. What is printed is
the exit code of each case and what reached the streams that are whole.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

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
    elif how == "head":  # a reader that goes after the first line
        reading, opened = os.pipe()
        threading.Thread(target=lambda: (os.read(reading, 1), os.close(reading))).start()
    elif how == "full":
        opened = os.open("/dev/full", os.O_WRONLY)
    else:
        opened = os.open(f"{case}.{STREAMS[descriptor]}", os.O_WRONLY | os.O_CREAT)
    os.dup2(opened, descriptor)
    os.close(opened)


def end(main: Callable[[], None]) -> NoReturn:
    """Ends the process as Python does, but without the second that taking torch apart takes."""
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except OSError:  # Python says "Exception ignored" here
        code = 120
    os._exit(code)


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
        end(main)
    _, status = os.waitpid(child, 0)
    texts = {
        name: path.read_text() if (path := Path(f"{number}.{name}")).exists() else ""
        for name in STREAMS[1:]
    }
    return {"code": os.waitstatus_to_exitcode(status), **texts}


def main() -> None:
    warm_up, *cases = json.loads(sys.argv[1])
    from fmnistlab.cli.main import run

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for words in warm_up:  # what these import and compile, the forks have
            assert run(words) == 0
    results = [run_case(number, case) for number, case in enumerate(cases)]
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
