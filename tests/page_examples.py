"""What is done with the code blocks of README.md and docs/*.md.

- ``python``: executed; the blocks of a page share their names.
- ``bash``: lines that begin with `fmnistlab` or `python` are run; a comment `# exit code 2` says
  which code is expected. Installing and the test command itself are skipped.
- ``text``: what the last such block printed. `...` stands for anything; the comment
  ``<!-- numbers vary -->`` above the block makes any number equal to any other.

Each page has an empty working folder of its own.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sybil import Example
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser

NUMBERS_VARY: Final = "<!-- numbers vary -->"
SKIPPED: Final = (["python", "-m", "pip"], ["python", "-m", "pytest"])
LEAST_ACCURACY: Final[dict[tuple[str, ...], float]] = {("fmnistlab", "train", "cnn"): 0.87}
"""What a command of the pages must reach on the test set, a fraction."""
LONGEST: Final = 1800
"""Seconds that an example may take; the longest, a training of the CNN, needs a minute alone."""

_EXIT_CODE: Final = re.compile(r"# exit code (\d+)")
_NUMBER: Final = re.compile(r"\d[\d,]*(\.\d+)?(e[+-]?\d+)?")


def set_up(names: dict[str, Any]) -> None:
    """Gives a page an empty working folder."""
    # Not at the top: the tests' own conftest must come before the first import of the package.
    from fmnistlab.training.steps.threads import cpu_threads

    kept = contextlib.ExitStack()
    folder = kept.enter_context(tempfile.TemporaryDirectory())
    kept.enter_context(contextlib.chdir(folder))
    kept.enter_context(_same_registry())
    kept.enter_context(cpu_threads(1))
    names.update(__name__="__main__", _kept=kept, _printed=None)


def tear_down(names: dict[str, Any]) -> None:
    """Takes everything back."""
    names["_kept"].close()


def run_python(example: Example) -> None:
    """Executes a block, and keeps what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        PythonEvaluator()(example)
    example.namespace["_printed"] = printed.getvalue()


def run_commands(example: Example) -> None:
    """Runs the commands of a block as a user would, and keeps what a terminal would show."""
    printed = ""
    for line in str(example.parsed).replace("\\\n", " ").splitlines():
        expected = _EXIT_CODE.search(line)
        for command in line.split("&&"):
            words = shlex.split(command, comments=True)
            if words and words[:3] not in SKIPPED:
                printed += _run(words, int(expected[1]) if expected else 0)
    example.namespace["_printed"] = printed


def compare_text(example: Example) -> str | None:
    """Compares a block with what the last one printed; returns what differs."""
    expected, printed = str(example.parsed), example.namespace["_printed"]
    assert printed is not None, "a text block shows what the block before it prints"
    before = example.document.text[: example.region.start].rstrip()
    if before.endswith(NUMBERS_VARY):
        expected, printed = (_without_numbers(text) for text in (expected, printed))
    elif expected.startswith("usage:") and sys.version_info >= (3, 13):
        # Newer versions of argparse break the lines elsewhere.
        expected, printed = (" ".join(text.split()) + "\n" for text in (expected, printed))
    checker = doctest.OutputChecker()
    if checker.check_output(expected, printed, doctest.ELLIPSIS):
        return None
    return checker.output_difference(doctest.Example("", expected), printed, _DIFF)


def commands(text: str) -> list[str]:
    """Returns the lines of all bash blocks of a page."""
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


PARSERS: Final = (
    CodeBlockParser("python", run_python),
    CodeBlockParser("bash", run_commands),
    CodeBlockParser("text", compare_text),
)

_DIFF: Final = doctest.ELLIPSIS | doctest.REPORT_NDIFF


def _run(words: list[str], expected: int) -> str:
    assert words[0] in ("fmnistlab", "python"), f"only our own commands are run, not {words}"
    beside = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([beside, os.environ.get("PATH", "")]),
        "COLUMNS": "80" if "--help" in words else "100",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",  # or the lines of both streams come out of order
    }
    program = shutil.which(words[0], path=environment["PATH"])
    assert program is not None, f"{words[0]} is not installed"
    finished = subprocess.run(
        [program, *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=environment,
        check=False,
        timeout=LONGEST - 20,
    )
    assert finished.returncode == expected, f"{shlex.join(words)} failed:\n{finished.stdout}"
    least = LEAST_ACCURACY.get(tuple(words))
    if least is not None:
        reached = re.search(r"^test: .* accuracy (\d\.\d+)", finished.stdout, re.MULTILINE)
        assert reached is not None
        assert float(reached[1]) > least
    return finished.stdout


def _without_numbers(text: str) -> str:
    """Masks numbers, and rules and gaps, which depend on how wide numbers are."""
    return re.sub(r"-+", "-", re.sub(r" +", " ", _NUMBER.sub("#", text)))


@contextlib.contextmanager
def _same_registry() -> Iterator[None]:
    """Forgets the models that a page registers, which other tests do not expect."""
    from fmnistlab.models import registry

    before = dict(registry._registered)
    try:
        yield
    finally:
        registry._registered.clear()
        registry._registered.update(before)
