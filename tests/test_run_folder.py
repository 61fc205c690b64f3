from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fmnistlab import run_folder
from fmnistlab.errors import RunFolderError
from fmnistlab.run_folder import CONFIG, RESULT, RunFolder


def test_unnamed_folders_never_collide(here: Path) -> None:
    folders = [RunFolder.create(None, "cnn") for _ in range(5)]
    made = [folder.path for folder in folders]
    assert len(set(made)) == 5
    assert all(path.parent == Path("runs") and path.name.startswith("cnn-") for path in made)


def test_a_folder_where_runs_should_be_is_named(here: Path) -> None:
    Path("runs").write_text("a file")
    with pytest.raises(RunFolderError, match="cannot be written"):
        RunFolder.create(None, "cnn")


def test_an_empty_folder_is_taken_and_a_used_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    path.mkdir(parents=True)
    folder = RunFolder.create(path, "x")
    folder.write_text("note.txt", "hello")
    folder.release()
    assert [entry.name for entry in path.iterdir()] == ["note.txt"]
    with pytest.raises(RunFolderError, match="is not empty"):
        RunFolder.create(path, "x")
    with pytest.raises(RunFolderError, match=r"it has no config\.json"):
        RunFolder.create(path, "x", resume=True)


def test_a_folder_that_is_being_written_is_refused(tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path / "a", "x")
    for resume in (False, True):
        with pytest.raises(RunFolderError, match="another training is writing there now"):
            RunFolder.create(tmp_path / "a", "x", resume=resume)
    first.release()
    RunFolder.create(tmp_path / "a", "x").release()


def test_an_interrupted_training_is_taken_up_and_a_finished_one_is_not(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", "x")
    folder.write_json(CONFIG, {})
    folder.checkpoints.mkdir()
    (folder.checkpoints / ".step-1.abc.tmp").write_bytes(b"half")
    folder.release()
    again = RunFolder.create(tmp_path / "a", "x", resume=True)
    assert list(again.checkpoints.iterdir()) == []
    again.write_json(RESULT, {})
    again.release()
    with pytest.raises(RunFolderError, match="finished; nothing is left to do"):
        RunFolder.create(tmp_path / "a", "x", resume=True)


def test_only_an_empty_folder_is_removed_again(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", "x")
    folder.write_json("x.json", {"nan": float("nan")})
    folder.release()
    assert folder.read_json("x.json") == {"nan": None}
    (folder.path / "x.json").unlink()
    folder = RunFolder.create(tmp_path / "a", "x")
    folder.write_json(CONFIG, {})
    assert not folder.discard_unless_resumable()
    folder.release()
    assert not folder.path.exists()


def test_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = RunFolder.create(tmp_path / "a", "x")
    monkeypatch.setattr(run_folder, "write_atomically", full)
    with pytest.raises(RunFolderError, match=r"No space left on device. Free some space") as raised:
        folder.write_text("x", "y")
    assert raised.value.errno == errno.ENOSPC
