from __future__ import annotations

import os
from pathlib import Path

import pytest

from fmnistlab.foundation.regular_file import read_regular_file


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc\r\n\x1a")
    assert read_regular_file(tmp_path / "file") == b"abc\r\n\x1a"
    assert read_regular_file(tmp_path / "file", limit=6) == b"abc\r\n\x1a"
    with pytest.raises(OSError, match="more than 5 bytes"):
        read_regular_file(tmp_path / "file", limit=5)


def test_a_link_is_followed_only_if_that_was_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_regular_file(tmp_path / "link", follow_links=True) == b"abc"
    with pytest.raises(OSError, match="a link, which is not followed"):
        read_regular_file(tmp_path / "link")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("follow_links", [False, True])
def test_what_is_no_file_is_named_at_once(tmp_path: Path, follow_links: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, said in {
        tmp_path / "nothing": "No such file",
        tmp_path: "it is a folder",
        tmp_path / "pipe": "no regular file",
        Path("/dev/zero"): "no regular file",
        Path("a\0b"): "no possible name",
    }.items():
        with pytest.raises(OSError, match=said):
            read_regular_file(path, follow_links=follow_links)


@pytest.mark.timeout(10)
def test_a_pipe_that_takes_the_place_of_a_file_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    facts = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: facts)
    with pytest.raises(OSError, match="no regular file"):
        read_regular_file(path)


def test_a_link_that_takes_the_place_of_a_file_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    facts = path.stat()
    path.rename(tmp_path / "other")
    path.symlink_to("other")
    monkeypatch.setattr(Path, "stat", lambda *_, **__: facts)
    with pytest.raises(OSError, match="symbolic link"):
        read_regular_file(path)
    assert read_regular_file(path, follow_links=True) == b"abc"
