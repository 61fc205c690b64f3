"""Every part does in the trainer what it does in a loop written by hand, or is refused by name."""

from __future__ import annotations

import functools

import pytest
from tests.parts.findings import FINDINGS
from tests.parts.row import Case, Row
from tests.parts.table import DIFFERS, ROWS, WAYS, missing, verdict, written

from fmnistlab.training.execution import Execution

PAGE = functools.cache(written)


def trial(row: Row | Case, way: Execution) -> object:
    """A row, one way; what is known to differ must differ until its finding is taken out."""
    known = FINDINGS.get((row.part, way))
    marks = [] if known is None else [pytest.mark.xfail(reason=known)]
    return pytest.param(row, way, id=f"{row.part}, {way}", marks=marks)


@pytest.mark.parametrize(("row", "way"), [trial(row, way) for row in ROWS for way in WAYS])
def test_a_part_is_as_in_a_plain_loop_or_refused(row: Row | Case, way: Execution) -> None:
    if missing(row):
        pytest.skip(f"{', '.join(missing(row))} is not installed; CONTRIBUTING.md tells how")
    assert verdict(row, way) == PAGE()[row.part, way], "run python -m tests.parts"


def test_the_page_has_these_rows_and_no_others() -> None:
    assert len({row.part for row in ROWS}) == len(ROWS) >= 60
    assert set(PAGE()) == {(row.part, way) for row in ROWS for way in WAYS}
    differing = {key for key, cell in PAGE().items() if cell == DIFFERS}
    assert differing == set(FINDINGS)
