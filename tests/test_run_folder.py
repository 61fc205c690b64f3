from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fmnistlab import run_folder
from fmnistlab.errors import RunFolderError
from fmnistlab.run_folder import RunFolder


def test_unnamed_folders_never_collide(here: Path) -> None:
    made = [RunFolder.create(None, "cnn").path for _ in range(5)]
    assert len(set(made)) == 5
    assert all(path.parent == Path("runs") and path.name.startswith("cnn-") for path in made)


def test_a_folder_where_runs_should_be_is_named(here: Path) -> None:
    Path("runs").write_text("a file")
    with pytest.raises(RunFolderError, match="cannot be written"):
        RunFolder.create(None, "cnn")


def test_an_empty_folder_is_taken_and_a_used_one_refused(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a" / "b", "x")
    assert list(folder.path.iterdir()) == []
    RunFolder.create(tmp_path / "a" / "b", "x").write_text("note.txt", "hello")
    with pytest.raises(RunFolderError, match="is not empty"):
        RunFolder.create(tmp_path / "a" / "b", "x")


def test_only_an_empty_folder_is_removed_again(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", "x")
    folder.write_json("x.json", {"nan": float("nan")})
    folder.remove_if_empty()
    assert folder.read_json("x.json") == {"nan": None}
    (folder.path / "x.json").unlink()
    folder.remove_if_empty()
    assert not folder.path.exists()


def test_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = RunFolder.create(tmp_path / "a", "x")
    monkeypatch.setattr(run_folder, "write_atomically", full)
    with pytest.raises(RunFolderError, match=r"No space left on device. Free some space") as raised:
        folder.write_text("x", "y")
    assert raised.value.errno == errno.ENOSPC
