"""Runs and comparisons that reports are made of."""

from __future__ import annotations

import pytest
from tests.experiments.comparisons import small

from fmnistlab.experiments.comparison.comparison import Comparison


@pytest.fixture(scope="session")
def compared_once(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A small comparison with everything done; change nothing in its folder."""
    folder = tmp_path_factory.mktemp("compared") / "out"
    return small(folder, "linearnet", "linearnet@learning_rate=0.01")
