"""What the tests of recorded steps have in common."""

from __future__ import annotations

import pytest

from fmnistlab.training.steps import choice


@pytest.fixture
def short_fits_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording pays from the first step of an epoch on, so a fit of a second shows it."""
    monkeypatch.setattr(choice, "RECORDING_PAYS", 1)
