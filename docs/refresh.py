"""Writes into these pages what they quote from the source: help texts and the list of modules.

    python docs/refresh.py

A test compares the pages with the source, so nothing goes stale; this makes them agree again.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PACKAGE = ROOT / "src" / "fmnistlab"
MODULES_START, MODULES_END = "<!-- modules: start -->", "<!-- modules: end -->"


def module_tables(floors: Sequence[set[str]]) -> str:
    """Returns one table for each floor: each module and the first sentence of its docstring.

    Args:
        floors: names of modules and folders right in the package, the lowest floor first.
    """
    tables = []
    for number, names in enumerate(floors):
        rows = [f"| floor {number} | |", "| --- | --- |"]
        for path in sorted(PACKAGE.rglob("*.py")):
            inner = path.relative_to(PACKAGE)
            if inner.parts[0].removesuffix(".py") in names and inner.parts[1:] != ("__init__.py",):
                rows.append(f"| `{inner.as_posix()}` | {_first_sentence(path)} |")
        tables.append("\n".join(row for row in rows if "callbacks/__init__" not in row))
    return "\n\n".join(tables)


def _first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0].replace("``", "`").rstrip(".:")


def with_modules(page: str, floors: Sequence[set[str]]) -> str:
    """Returns the page with the tables between its two comments."""
    before, _, rest = page.partition(MODULES_START)
    _, _, after = rest.partition(MODULES_END)
    return f"{before}{MODULES_START}\n\n{module_tables(floors)}\n\n{MODULES_END}{after}"


def with_help_texts(page: str) -> str:
    """Returns the page with each block after `fmnistlab ... --help` as the command prints it."""
    pattern = r"(```bash\nfmnistlab ?(\w*) --help\n```\n\n```text\n).*?(?=```)"
    return re.sub(pattern, lambda match: match[1] + help_text(match[2]), page, flags=re.DOTALL)


def help_text(command: str) -> str:
    """Returns what a command, "" for none, prints for --help on a terminal of 80 columns."""
    words = [sys.executable, "-m", "fmnistlab", *([command] if command else []), "--help"]
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    finished = subprocess.run(  # noqa: S603 - our own command
        words, env=environment, capture_output=True, check=True, encoding="utf-8"
    )
    return finished.stdout


def main() -> None:
    """Rewrites both pages."""
    sys.path.insert(0, str(ROOT))
    from tests.test_architecture import FLOORS  # noqa: PLC0415 - found by the line above

    pages = {
        "architecture.md": lambda text: with_modules(text, FLOORS),
        "command-line.md": with_help_texts,
    }
    for name, refresh in pages.items():
        path = DOCS / name
        path.write_text(refresh(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
