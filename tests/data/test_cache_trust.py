"""What stands in the cache is used only if no other user can have put it there; nothing hangs."""

from __future__ import annotations

import logging
import os
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.data.cache_scene import (
    NOBODY,
    TABLE,
    Logged,
    Scene,
    as_nobody,
    facts_of,
    forged,
    make_scene,
    mode_of,
    needs_root,
)

from fmnistlab.data.csv_file import FashionTable

pytestmark = pytest.mark.timeout(60)  # most of these would wait for ever if they failed


def other_content(scene: Scene) -> bytes:
    """A whole and legal cached file that would be believed if it were the user's own."""
    return forged(facts_of(scene.entry), FashionTable(255 - TABLE.images, TABLE.labels))


# --- other things in place of an entry or of a lock file ------------------------------------------


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_full_folder(path: Path) -> None:
    path.mkdir()
    (path / "kept").write_text("kept")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # names of sockets must be short


def a_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices cannot be made here")


@pytest.mark.parametrize("make", [a_pipe, a_folder, a_full_folder, a_socket, a_device])
@pytest.mark.parametrize("place", ["entry", "lock"])
@pytest.mark.usefixtures("here")
def test_what_is_no_file_is_left_alone(
    scene: Scene, logged: Logged, make: Callable[[Path], None], place: str
) -> None:
    path: Path = getattr(scene, place)
    path.parent.mkdir()
    make(path)
    before = path.lstat()
    assert scene.reads_right()
    assert scene.reads_right()
    after = path.lstat()
    assert (after.st_mode, after.st_ino, after.st_rdev) == (
        before.st_mode,
        before.st_ino,
        before.st_rdev,
    )
    assert logged("not a regular file")
    assert scene.entry.is_file() == (place == "lock")


@pytest.mark.parametrize("target", ["nothing", "file", "entry", "pipe", "folder"])
def test_a_link_in_place_of_an_entry_is_replaced_and_not_followed(
    scene: Scene, tmp_path: Path, logged: Logged, target: str
) -> None:
    assert scene.reads_right()
    there = tmp_path / "there"
    if target == "file":
        there.write_text("precious")
    elif target == "entry":
        there.write_bytes(other_content(scene))
    elif target == "pipe":
        os.mkfifo(there)
    elif target == "folder":
        there.mkdir()
    content = there.read_bytes() if there.is_file() else None
    scene.entry.unlink()
    scene.entry.symlink_to(there)
    assert scene.reads_right()
    assert logged("it is a link")
    assert there.exists() == (target != "nothing")
    assert content is None or there.read_bytes() == content
    assert stat.S_ISREG(scene.entry.lstat().st_mode)


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to], ids=["symbolic", "hard"])
def test_a_lock_file_that_is_another_file_is_not_touched(
    scene: Scene, tmp_path: Path, logged: Logged, link: Callable[[Path, Path], None]
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    precious.chmod(0o640)
    scene.folder.mkdir()
    link(scene.lock, precious)
    assert scene.reads_right()
    assert logged("goes on without a lock")
    assert precious.read_text() == "precious"
    assert mode_of(precious) == 0o640
    assert scene.entry.is_file()


def test_a_lock_file_that_is_a_link_to_nothing_makes_no_file(scene: Scene, tmp_path: Path) -> None:
    scene.folder.mkdir()
    scene.lock.symlink_to(tmp_path / "nothing")
    assert scene.reads_right()
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("swap", ["pipe", "link", "writable by all"])
def test_a_file_that_is_swapped_before_it_is_opened_is_not_used(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: str
) -> None:
    assert scene.reads_right()
    other = tmp_path / "other"
    other.write_bytes(other_content(scene))
    real = os.open
    swapped: list[object] = []

    def swap_and_open(path: Path, flags: int, *rest: int, **named: int) -> int:
        if path == scene.entry and not swapped:
            swapped.append(path)
            scene.entry.unlink()
            if swap == "pipe":
                os.mkfifo(path)
            elif swap == "link":
                scene.entry.symlink_to(other)
            else:
                other.chmod(0o666)
                other.rename(path)
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", swap_and_open)
    assert scene.reads_right()
    assert swapped


# --- owners and modes -----------------------------------------------------------------------------


@needs_root
def test_a_file_of_another_user_is_not_used_but_replaced(scene: Scene, logged: Logged) -> None:
    assert scene.reads_right()
    scene.entry.write_bytes(other_content(scene))
    os.chown(scene.entry, NOBODY, NOBODY)
    assert scene.reads_right()
    assert logged("it belongs to another user (id 65534)")
    assert scene.entry.stat().st_uid == os.geteuid()


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o620, 0o602, 0o777])
def test_a_file_that_others_can_write_is_not_used_but_replaced(
    scene: Scene, logged: Logged, mode: int
) -> None:
    assert scene.reads_right()
    scene.entry.write_bytes(other_content(scene))
    scene.entry.chmod(mode)
    assert scene.reads_right()
    assert logged(f"it is writable by others than its owner (mode {mode:o})")
    assert not mode_of(scene.entry) & 0o022


@needs_root
def test_root_can_fill_a_folder_for_all(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        scene = make_scene(Path(base), monkeypatch)
        scene.source.chmod(0o644)
        scene.folder.mkdir(0o755)
        assert scene.reads_right()
        count = len(list(scene.folder.iterdir()))
        caplog.set_level(logging.DEBUG, "fmnistlab")
        with as_nobody():
            assert scene.reads_right()
        assert not caplog.messages
        assert len(list(scene.folder.iterdir())) == count


@needs_root
def test_a_folder_of_another_user_is_not_used(scene: Scene, logged: Logged) -> None:
    scene.folder.mkdir()
    os.chown(scene.folder, NOBODY, NOBODY)
    assert scene.reads_right()
    assert logged("is not used as a cache, so each read is slow: it belongs to another user")
    assert not list(scene.folder.iterdir())


@pytest.mark.parametrize(
    ("mode", "used"),
    [(0o777, False), (0o702, False), (0o2777, False), (0o1777, True), (0o775, True), (0o755, True)],
)
def test_a_folder_that_everyone_can_change_is_not_used_unless_sticky(
    scene: Scene, logged: Logged, mode: int, used: bool
) -> None:
    scene.folder.mkdir()
    scene.folder.chmod(mode)
    assert scene.reads_right()
    assert scene.entry.exists() == used
    assert logged("everyone may change it") != used
    assert mode_of(scene.folder) == mode  # who made it, chose it


def test_a_folder_that_another_made_meanwhile_is_not_used(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.mkdir

    def make_for_all(path: Path, *rest: Any, **named: Any) -> None:
        real(path, *rest, **named)
        path.chmod(0o777)

    monkeypatch.setattr(Path, "mkdir", make_for_all)
    assert scene.reads_right()
    assert not list(scene.folder.iterdir())


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_what_is_made_is_for_this_user_alone(
    tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch, umask: int, logged: Logged
) -> None:
    folder = tmp_path / "one" / "two" / "three"
    monkeypatch.setenv("FMNISTLAB_CACHE", str(folder))
    scene = Scene(folder, scene.source)
    before = mode_of(tmp_path)
    old = os.umask(umask)
    try:
        assert scene.reads_right()
    finally:
        os.umask(old)
    assert {mode_of(path) for path in (folder, *list(folder.parents)[:2])} == {0o700}
    assert mode_of(scene.lock) == 0o600
    assert mode_of(scene.entry) == 0o644 & ~umask
    assert mode_of(tmp_path) == before
    assert logged("is read instead")
    assert scene.reads_right()


def test_a_system_without_owners_and_flags_reads_what_it_wrote(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on Windows, where files look writable to all."""
    assert scene.reads_right()
    caplog.clear()
    scene.entry.chmod(0o666)
    scene.folder.chmod(0o777)
    monkeypatch.delattr(os, "geteuid")
    inode = scene.entry.stat().st_ino
    assert scene.reads_right()
    assert scene.entry.stat().st_ino == inode
    assert not caplog.messages


def test_a_file_that_cannot_be_replaced_only_costs_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    """As on Windows, where a file that another process reads cannot be replaced."""

    def refuse(path: Path, target: Path) -> Path:
        raise PermissionError(13, "The process cannot access the file", str(target))

    monkeypatch.setattr(Path, "replace", refuse)
    for _ in range(2):
        assert scene.reads_right()
    assert logged("so the next read is slow too: The process cannot access the file")
    assert [path.name for path in scene.folder.iterdir()] == [scene.lock.name]
