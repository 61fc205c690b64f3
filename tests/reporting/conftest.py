"""Runs, comparisons and audits that reports are made of."""

from __future__ import annotations

import pytest
from tests.auditing.planted import with_faults
from tests.experiments.comparisons import small

import fmnistlab
from fmnistlab.auditing import Audit
from fmnistlab.experiments.comparison.comparison import Comparison
from fmnistlab.testing import tiny_dataset


@pytest.fixture(scope="session")
def compared_once(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A small comparison with everything done; change nothing in its folder."""
    folder = tmp_path_factory.mktemp("compared") / "out"
    return small(folder, "linearnet", "linearnet@learning_rate=0.01")


@pytest.fixture(scope="session")
def audited_once() -> Audit:
    """An audit that finds something of every kind."""
    return fmnistlab.audit(
        with_faults(), tiny_dataset(20, seed=5), model="linearnet", epochs=1, folds=2, seeds=1
    )
