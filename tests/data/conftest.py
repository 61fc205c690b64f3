"""Sources that are cached, and what is logged of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.cache_scene import Scene, make_scene
from tests.data.cached_source import table_of

from fmnistlab.data import cache
from fmnistlab.data.csv_file import write_csv


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, which does not exist yet."""
    monkeypatch.setenv("FMNISTLAB_CACHE", str(tmp_path / "some" / "cache"))
    return tmp_path / "some" / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A CSV file of three rows, `table_of()`."""
    path = tmp_path / "data.csv"
    write_csv(path, table_of().images, table_of().labels)
    return path


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as old enough to be known by their times, however young they are."""
    monkeypatch.setattr(cache, "SETTLING_NS", -(10**18))


@pytest.fixture
def scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Scene:
    """A source that was not read yet; there is no cache folder, and everything is logged."""
    caplog.set_level(logging.DEBUG, "fmnistlab")
    return make_scene(tmp_path, monkeypatch)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[str], bool]:
    """Whether a text was logged."""
    return lambda text: text in caplog.text
