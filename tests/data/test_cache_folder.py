"""Where the cache is kept; a folder that cannot be used only costs time."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
from tests.data.cache_scene import IS_ROOT, NOBODY, Logged, Scene, as_nobody, make_scene
from tests.data.cached_source import entries, table_of, use_is_logged
from tests.faults.small_csv import same

from fmnistlab.data.cache import cache_folder, read_cached
from fmnistlab.data.csv_file import write_csv

pytestmark = pytest.mark.timeout(60)  # some of these would wait for ever if they failed


# --- which folder ---------------------------------------------------------------------------------


def test_the_user_folder_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FMNISTLAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == Path(platformdirs.user_cache_dir("fmnistlab", appauthor=False))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "fmnistlab"


def test_the_variable_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMNISTLAB_CACHE", "~/there")
    assert cache_folder() == Path.home() / "there"


@pytest.mark.parametrize("value", ["", "off", " OFF "])
def test_the_cache_can_be_switched_off(
    here: Path, source: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FMNISTLAB_CACHE", value)
    assert cache_folder() is None
    assert same(read_cached(source), table_of())
    assert list(here.iterdir()) == [source]


def test_a_folder_that_cannot_be_made_only_costs_time(
    source: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FMNISTLAB_CACHE", str(source / "below" / "a file"))
    for _ in range(2):
        table, log = use_is_logged(caplog, source)
        assert same(table, table_of())
        assert "is not used as a cache, so each read is slow: Not a directory" in log


def test_a_full_disk_only_costs_time(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "large.csv"
    write_csv(source, table_of(2000).images, table_of(2000).labels)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, hard))
    try:
        table, log = use_is_logged(caplog, source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert same(table, table_of(2000))
    assert "File too large" in log
    assert not entries(folder)


# --- folders that cannot be used ------------------------------------------------------------------


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A source and a cache folder of a user who is not root."""
    base = Path(tempfile.mkdtemp())
    scene = make_scene(base, monkeypatch)
    scene.folder.mkdir()
    if IS_ROOT:
        for path in (base, scene.source, scene.folder):
            os.chown(path, NOBODY, NOBODY)
    yield scene
    scene.folder.chmod(0o700)
    shutil.rmtree(base)


@pytest.mark.parametrize("mode", [0o500, 0o600, 0o400, 0o100, 0o000])
@pytest.mark.parametrize("filled", [True, False])
def test_a_folder_without_rights_only_costs_time(foreign: Scene, mode: int, filled: bool) -> None:
    with as_nobody():
        if filled:
            assert foreign.reads_right()
        foreign.folder.chmod(mode)
        for _ in range(2):
            assert foreign.reads_right()


@pytest.mark.parametrize("mode", [0o000, 0o200, 0o444])
@pytest.mark.parametrize("place", ["entry", "lock"])
def test_files_without_rights_only_cost_time(foreign: Scene, place: str, mode: int) -> None:
    with as_nobody():
        assert foreign.reads_right()
        getattr(foreign, place).chmod(mode)
        if place == "lock":
            foreign.entry.unlink()
        for _ in range(2):
            assert foreign.reads_right()
        assert os.access(foreign.entry, os.R_OK, effective_ids=True)


def test_a_folder_above_without_rights_only_costs_time(foreign: Scene) -> None:
    with as_nobody():
        outside = foreign.source.rename(foreign.source.parent.with_suffix(".csv"))
        foreign.folder.parent.chmod(0o000)
        try:
            assert Scene(foreign.folder, outside).reads_right()
        finally:
            foreign.folder.parent.chmod(0o700)
            outside.unlink()


@pytest.mark.parametrize("kind", ["file", "pipe", "link to nothing", "link to a file", "loop"])
def test_a_folder_that_is_none_only_costs_time(
    scene: Scene, tmp_path: Path, logged: Logged, kind: str
) -> None:
    match kind:
        case "file":
            scene.folder.write_text("kept")
        case "pipe":
            os.mkfifo(scene.folder)
        case "link to nothing":
            scene.folder.symlink_to(tmp_path / "nothing")
        case "link to a file":
            scene.folder.symlink_to(scene.source)
        case _:
            scene.folder.symlink_to(scene.folder)
    before = sorted(tmp_path.iterdir())
    for _ in range(2):
        assert scene.reads_right()
    assert sorted(tmp_path.iterdir()) == before
    assert logged("it is no folder") == (kind in ("file", "pipe", "link to a file"))


def test_a_link_to_a_folder_is_as_good_as_the_folder(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    scene.folder.symlink_to(tmp_path / "real")
    assert scene.reads_right()
    assert scene.entry.is_file()


def test_a_folder_that_vanishes_is_made_again(scene: Scene) -> None:
    assert scene.reads_right()
    shutil.rmtree(scene.folder)
    assert scene.reads_right()
    assert scene.entry.is_file()


# --- odd names of the folder ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *("~no-such-user/cache", "/dev/null", "/dev/null/x", "/proc/none/x", "x" * 300),
        *("a/" * 3000, "\n", " ", "\t", "/proc/self/fd/99/x"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_an_odd_folder_only_costs_time(
    scene: Scene, here: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FMNISTLAB_CACHE", value)
    before = sorted(here.rglob("*"))
    for _ in range(2):
        assert scene.reads_right()
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("value", ["here", "./one/../two", ".", "a\nb", "\udcff", "-v", "ü"])
def test_a_relative_folder_is_one_in_the_working_folder(
    scene: Scene, here: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    (here / "one").mkdir()
    monkeypatch.setenv("FMNISTLAB_CACHE", value)
    assert scene.reads_right()
    assert Scene(here / value, scene.source).entry.is_file()
    assert scene.reads_right()


def test_a_relative_folder_in_a_working_folder_that_is_gone_only_costs_time(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMNISTLAB_CACHE", "here")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    try:
        assert scene.reads_right()
    finally:
        os.chdir(tmp_path)


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user id that the system does not know, in a container for instance."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in ("FMNISTLAB_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("value", [None, "~", "~/cache"])
def test_without_a_known_home_there_is_no_cache(
    scene: Scene, here: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("FMNISTLAB_CACHE")
    else:
        monkeypatch.setenv("FMNISTLAB_CACHE", value)
    assert cache_folder() is None
    assert scene.reads_right()
    assert list(here.iterdir()) == [scene.source]


def test_no_folder_of_the_name_tilde_is_made(
    scene: Scene, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older versions of platformdirs return the name unchanged where there is no home."""
    monkeypatch.delenv("FMNISTLAB_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: "~/.cache/fmnistlab")
    assert cache_folder() is None
    assert scene.reads_right()
    assert list(here.iterdir()) == [scene.source]
