"""The tests stand in rooms that mirror the source, in files that can be read at once."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "src" / "fmnistlab"
OWN = {"benchmarks", "changes", "faults", "parts"}
"""Rooms of what is not in the package."""
LONGEST = 450
"""Lines of a test file."""
LONGER = {"models/test_registry.py", "plots/test_plots.py"}


def test_each_room_of_tests_has_one_in_the_source() -> None:
    rooms = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    strange = {
        room.as_posix()
        for room in rooms
        if room.parts[:1] not in {(name,) for name in OWN} and not (PACKAGE / room).is_dir()
    }
    assert not strange


def test_test_files_are_short() -> None:
    lengths = {
        path.relative_to(TESTS).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in TESTS.rglob("*.py")
    }
    assert {name for name, lines in lengths.items() if lines > LONGEST} <= LONGER
