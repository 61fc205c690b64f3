"""Settings for all tests: shapes and types are checked at run time, hypothesis has one profile."""

from __future__ import annotations

import os

# One thread: two of them wait for each other at every small operation, which takes for ever on a
# machine that does something else as well. This must come before the first import of torch.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"  # no windows

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests import checker

# Before the first import of a module of the package, and for the whole run.
checker.install()

settings.register_profile(
    "fmnistlab",
    # Examples are new ones each time, but not where a change is judged: it must not be refused for
    # an example that has nothing to do with it.
    derandomize="CI" in os.environ,
    deadline=None,  # the machine is shared; time limits belong to pytest-timeout
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
settings.load_profile("fmnistlab")


@pytest.fixture(autouse=True)
def no_open_figures() -> Iterator[None]:
    """Closes what pyplot keeps, if a test or a library that it uses has imported it."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def no_checker() -> Iterator[None]:
    """As for users, who have no checker of annotations between them and the library."""
    checker.switch(on=False)
    yield
    checker.switch(on=True)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a short training; read it, or copy it, but change nothing in it."""
    from tests.run_files import train_tiny_run

    return train_tiny_run(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def finished(trained_once: Path, here: Path) -> Path:
    """A copy of that folder as "run" in the working folder."""
    return Path(shutil.copytree(trained_once, here / "run"))
