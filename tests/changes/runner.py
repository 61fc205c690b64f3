"""Applies a change to a copy of the package and asks the related tests about it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "src" / "fmnistlab"
LONGEST = 600.0
"""Seconds that the related tests may take; a change that makes them hang counts as noticed."""


class Change(NamedTuple):
    """A fault that could be made by hand.

    Attributes:
        file: where, below `src/fmnistlab`.
        before: part of one line, which occurs once in the file.
        after: what stands there instead.
        tests: the files that are to notice it, below `tests`, separated by spaces.
    """

    file: str
    before: str
    after: str
    tests: str


class Outcome(NamedTuple):
    """What the tests said.

    Attributes:
        noticed_by: the first test that failed, or None if all passed.
        seconds: how long they took.
    """

    noticed_by: str | None
    seconds: float


def read_changes() -> list[Change]:
    """Returns the changes that `changes.tsv` lists."""
    lines = Path(__file__).with_name("changes.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.replace(r"\n", "\n").split("\t") for line in lines if not line.startswith("#")]
    return [Change(*row) for row in rows]


def fault_of(change: Change) -> str | None:
    """Returns why a change cannot be made any more, or None if it can."""
    path = PACKAGE / change.file
    if not path.is_file():
        return f"there is no {change.file}"
    count = path.read_text(encoding="utf-8").count(change.before)
    if count != 1:
        return f"{change.before!r} is {count} times in {change.file}"
    missing = [name for name in change.tests.split() if not (REPOSITORY / "tests" / name).exists()]
    return f"there is no {missing[0]}" if missing else None


def try_change(change: Change) -> Outcome:
    """Runs the related tests on a copy of the package with the change in it."""
    with tempfile.TemporaryDirectory(prefix="fmnistlab-change-") as name:
        copy = Path(name, "fmnistlab")
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.xz"))
        for packed in PACKAGE.rglob("*.xz"):  # large, and never changed
            (copy / packed.relative_to(PACKAGE)).symlink_to(packed)
        changed = copy / change.file
        text = changed.read_text(encoding="utf-8")
        changed.write_text(text.replace(change.before, change.after), encoding="utf-8")
        return _asked(name, change.tests.split())


def _asked(folder: str, tests: list[str]) -> Outcome:
    started = time.monotonic()
    words = ["-x", "-q", "-n0", "-p", "no:cacheprovider", "-p", "no:randomly"]
    path = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *words, *(f"tests/{name}" for name in tests)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": path, "CI": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Outcome("(they hang)", time.monotonic() - started)
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    by = failed[1].removeprefix("tests/") if failed else f"(exit code {process.returncode})"
    return Outcome(None if process.returncode == 0 else by, time.monotonic() - started)
