"""What the tests of comparisons work on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.experiments.comparisons import plain, small

from fmnistlab.models import registry


@pytest.fixture
def two_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offers the models "one" and "other" for as long as a test runs."""
    monkeypatch.setattr(registry, "_registered", {})
    plain("one")
    plain("other")


@pytest.fixture
def out(here: Path, two_models: None) -> Path:
    """The folder of a comparison of both with everything done."""
    small(here / "out", "one", "other")
    return here / "out"
