"""What the tests of commands work on."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnistlab.testing import write_tiny_csv


@pytest.fixture
def tiny(here: Path) -> Path:
    """A working folder with a training and a test file, and one more test file."""
    write_tiny_csv(here / "fashion-mnist_train.csv", rows=200)
    write_tiny_csv(here / "fashion-mnist_test.csv.gz", rows=50, seed=1)
    return here
