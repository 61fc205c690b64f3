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

from fmnistlab.foundation.tables import markdown_table

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PACKAGE = ROOT / "src" / "fmnistlab"
MODULES_START, MODULES_END = "<!-- modules: start -->", "<!-- modules: end -->"


def module_tables(floors: Sequence[set[str]]) -> str:
    """Returns the table of rooms, and for each room its files with their first sentences.

    Args:
        floors: names of the rooms, the lowest floor first; see `tests/test_architecture.py`.
    """
    rows = []
    lists = []
    for number, rooms in enumerate(floors):
        for room in sorted(rooms):
            path = PACKAGE.joinpath(*room.split("."))
            if not path.is_dir():
                path = path.with_suffix(".py")
            rows.append((str(number), f"`{room}`", _first_sentence(path)))
            if path.is_dir():
                lists.append(f"`{room}`\n" + "\n".join(_described_files(room, path, floors)))
    table = markdown_table(["floor", "room", "what it is for"], rows)
    return f"{table}\n\n### What each room holds\n\n" + "\n\n".join(lists)


def _described_files(room: str, folder: Path, floors: Sequence[set[str]]) -> list[str]:
    """Returns a line for each file of a room; those that are rooms of their own stand there."""
    lines = []
    for path in sorted(folder.rglob("*.py")):
        inner = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        others = {name for rooms in floors for name in rooms if name.startswith(f"{room}.")}
        if path.name != "__init__.py" and not any(f"{inner}.".startswith(f"{o}.") for o in others):
            lines.append(f": `{path.relative_to(folder).as_posix()}`: {_first_sentence(path)}")
    return lines


def _first_sentence(path: Path) -> str:
    path = path / "__init__.py" if path.is_dir() else path
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
    """Rewrites both pages, and the picture of the house."""
    sys.path[:0] = [str(ROOT), str(DOCS)]
    import house  # noqa: PLC0415 - found by the line above
    from tests.test_architecture import FLOORS, imports_between_rooms  # noqa: PLC0415 - likewise

    pages = {
        "architecture.md": lambda text: with_modules(text, FLOORS),
        "command-line.md": with_help_texts,
    }
    for name, refresh in pages.items():
        path = DOCS / name
        path.write_text(refresh(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    picture = house.draw(FLOORS, imports_between_rooms())
    (DOCS / "images" / "house.svg").write_text(picture, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
