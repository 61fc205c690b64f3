"""Every drill, with as many trials as every run of the tests can bear."""

from __future__ import annotations

import pytest
from tests.faults.drills import DRILLS


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("name", DRILLS)
def test_the_promise_is_kept(name: str) -> None:
    drill = DRILLS[name]
    score = drill.run(drill.short, 0)
    assert score.total > 0
    assert score.passed == score.total, "\n".join(score.failures[:5])
