from __future__ import annotations

import pytest
from tests.changes.runner import Change, fault_of, read_changes


@pytest.mark.parametrize(
    "change", read_changes(), ids=lambda change: f"{change.file}: {change.before}"
)
def test_every_change_can_still_be_made(change: Change) -> None:
    assert fault_of(change) is None
    assert change.before != change.after
