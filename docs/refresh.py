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
from collections.abc import Mapping, Sequence
from pathlib import Path

from fmnistlab.foundation.tables import markdown_table

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PACKAGE = ROOT / "src" / "fmnistlab"
MODULES_START, MODULES_END = "<!-- modules: start -->", "<!-- modules: end -->"


def module_tables(floors: Mapping[str, Sequence[set[str]]], ground: set[str]) -> str:
    """Returns a table of rooms for each room that has floors, and then the files of each.

    Args:
        floors: names of the rooms, the lowest floor first; see `tests/test_architecture.py`.
        ground: what the ground floor holds.
    """
    tables, lists = [], []
    for inside, its_floors in floors.items():
        rows = []
        for number, rooms in enumerate(its_floors):
            for room in sorted(ground if rooms == {"ground"} else rooms):
                path = _path_of(f"{inside}.{room}".removeprefix("."))
                rows.append((str(number), f"`{room}`", _first_sentence(path)))
                if path.is_dir() and f"{inside}.{room}".removeprefix(".") not in floors:
                    lists.append(_files(path))
        of = f" of `{inside}`" if inside else ""
        tables.append(markdown_table([f"floor{of}", "room", "what it is for"], rows))
    return "\n\n".join(tables) + "\n\n### What each folder holds\n\n" + "\n\n".join(lists)


def _path_of(room: str) -> Path:
    path = PACKAGE.joinpath(*room.split("."))
    return path if path.is_dir() else path.with_suffix(".py")


def _files(folder: Path) -> str:
    """Returns a folder's name, and a line for each file in it."""
    files = [path for path in sorted(folder.rglob("*.py")) if path.name != "__init__.py"]
    return "\n".join(
        [
            f"`{folder.relative_to(PACKAGE).as_posix()}`",
            *(f": `{path.relative_to(folder)}`: {_first_sentence(path)}" for path in files),
        ]
    )


def _first_sentence(path: Path) -> str:
    path = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0].replace("``", "`").rstrip(".:")


def with_modules(page: str, floors: Mapping[str, Sequence[set[str]]], ground: set[str]) -> str:
    """Returns the page with the tables between its two comments."""
    before, _, rest = page.partition(MODULES_START)
    _, _, after = rest.partition(MODULES_END)
    return f"{before}{MODULES_START}\n\n{module_tables(floors, ground)}\n\n{MODULES_END}{after}"


def with_help_texts(page: str) -> str:
    """Returns the page with each block after `fmnistlab ... --help` as the command prints it."""
    pattern = r"(```bash\nfmnistlab ?([\w ]*) --help\n```\n\n```text\n).*?(?=```)"
    return re.sub(pattern, lambda match: match[1] + help_text(match[2]), page, flags=re.DOTALL)


def help_text(command: str) -> str:
    """Returns what a command, "" for none, prints for --help on a terminal of 80 columns."""
    words = [sys.executable, "-m", "fmnistlab", *command.split(), "--help"]
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    finished = subprocess.run(  # noqa: S603 - our own command
        words, env=environment, capture_output=True, check=True, encoding="utf-8"
    )
    return finished.stdout


def main() -> None:
    """Rewrites both pages, and the picture of the house."""
    sys.path[:0] = [str(ROOT), str(DOCS)]
    import house  # noqa: PLC0415 - on the path that is set above
    from tests.test_architecture import (  # noqa: PLC0415 - on that path too
        FLOORS,
        GROUND,
        imports_between_rooms,
    )

    pages = {
        "architecture.md": lambda text: with_modules(text, FLOORS, GROUND),
        "command-line.md": with_help_texts,
    }
    for name, refresh in pages.items():
        path = DOCS / name
        path.write_text(refresh(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    for inside, name in house.PICTURES.items():
        picture = house.draw(FLOORS[inside], imports_between_rooms(inside))
        (DOCS / "images" / name).write_text(picture, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
