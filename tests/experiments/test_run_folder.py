from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.faults.children import Child

from fmnistlab.errors import RunFolderError
from fmnistlab.experiments import run_folder
from fmnistlab.experiments.run_folder import RunFolder, safe_name
from fmnistlab.experiments.run_folder_state import (
    CHECKPOINT,
    CONFIG,
    LOCK,
    RESULT,
    FolderState,
    folder_state,
)
from fmnistlab.training.checkpoints.folder import checkpoint_name

OURS = {"model": {}, "recipe": {}, "versions": {"fmnistlab": "0.1.0"}}


def tree(folder: Path) -> dict[str, tuple[int, ...]]:
    """Everything below a folder: kind, inode, size and time of change."""
    facts = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {n: (s.st_mode, s.st_ino, s.st_size, s.st_mtime_ns) for n, s in facts.items()}


def begun(path: Path) -> Path:
    """The folder of an interrupted training."""
    folder = RunFolder.create(path, "x")
    folder.write_json(CONFIG, OURS)
    folder.checkpoints.mkdir()
    folder.release()
    return path


def test_unnamed_folders_never_collide(here: Path) -> None:
    folders = [RunFolder.create(None, "cnn") for _ in range(5)]
    made = [folder.path for folder in folders]
    assert len(set(made)) == 5
    assert all(path.parent == Path("runs") and path.name.startswith("cnn-") for path in made)


@given(st.text(max_size=80) | st.sampled_from(["../../x", "C:\\x", "a:b", "..", ".", "-rf", "CON"]))
def test_a_folders_name_has_safe_characters_only(name: str) -> None:
    safe = safe_name(name)
    assert re.fullmatch(r"[a-z0-9_][a-z0-9._-]{0,59}", safe)
    assert ".." not in safe
    assert not safe.endswith(".")
    assert safe_name(safe) == safe


def test_a_name_leads_nowhere_else(here: Path) -> None:
    folder = RunFolder.create(None, "../../elsewhere/x:net\x1b[2J")
    assert folder.path.parent == Path("runs")
    assert sorted(path.name for path in here.iterdir()) == ["runs"]


def test_a_folder_where_runs_should_be_is_named(here: Path) -> None:
    Path("runs").write_text("a file")
    with pytest.raises(RunFolderError, match="cannot be written"):
        RunFolder.create(None, "cnn")
    assert Path("runs").read_text() == "a file"


def test_an_empty_folder_is_taken_and_a_used_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    path.mkdir(parents=True)
    folder = RunFolder.create(path, "x")
    folder.write_text("note.txt", "hello")
    folder.release()
    assert [entry.name for entry in path.iterdir()] == ["note.txt"]
    with pytest.raises(RunFolderError, match="is not empty"):
        RunFolder.create(path, "x")
    with pytest.raises(RunFolderError, match=r"no config\.json that fmnistlab has written"):
        RunFolder.create(path, "x", resume=True)


def a_home(folder: Path) -> None:
    """Hidden files, temporary files of others, projects with runs of ours below."""
    (folder / "work/run/checkpoints").mkdir(parents=True)
    for name in (
        ".bashrc",
        ".draft.txt.0123abcd.tmp",
        ".config.json.0123abcd.tmp",
        "work/.result.json.0123abcd.tmp",
        "work/run/.config.json.89abcdef.tmp",
        "work/run/checkpoints/.step-00000001.safetensors.01234567.tmp",
    ):
        (folder / name).write_text("precious")


def a_models_folder(folder: Path) -> None:
    """What other tools call a model: config.json and weights."""
    (folder / "config.json").write_text('{"model_type": "vit", "model": 1, "recipe": 2}')
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/step-00000001.safetensors").write_text("theirs")


def a_truncated_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model": {}, "recipe": {}, "versions": {"fmnistlab"')


def a_deep_config(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000)


def a_config_that_is_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "config.json")


def a_config_that_is_a_folder(folder: Path) -> None:
    (folder / "config.json").mkdir()


def a_config_that_is_a_link(folder: Path) -> None:
    target = folder.with_name("target.json")
    target.write_text('{"model": {}, "recipe": {}, "versions": {"fmnistlab": "0"}}')
    (folder / "config.json").symlink_to(target)


FOREIGN = [
    a_home,
    a_models_folder,
    a_truncated_config,
    a_deep_config,
    a_config_that_is_a_pipe,
    a_config_that_is_a_folder,
    a_config_that_is_a_link,
]


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("make", FOREIGN)
def test_nothing_in_a_foreign_folder_is_touched(
    tmp_path: Path, make: Callable[[Path], None], *, resume: bool
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    make(folder)
    before, times = tree(tmp_path), folder.stat().st_mtime_ns
    with pytest.raises(RunFolderError):
        RunFolder.create(folder, "x", resume=resume)
    assert tree(tmp_path) == before
    assert folder.stat().st_mtime_ns == times, "a file was made there and removed again"


@pytest.mark.parametrize("name", [RESULT, CHECKPOINT, "history.csv", LOCK, "checkpoints"])
def test_links_in_a_run_folder_are_refused(tmp_path: Path, name: str) -> None:
    folder = begun(tmp_path / "run")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / checkpoint_name(1)).write_text("precious")
    if name == "checkpoints":
        (folder / name).rmdir()
    (folder / name).symlink_to(elsewhere)
    before = tree(tmp_path)
    with pytest.raises(RunFolderError, match=r"is no (regular file|folder)"):
        RunFolder.create(folder, "x", resume=True)
    assert tree(tmp_path) == before


def test_a_start_in_the_parent_leaves_the_trainings_below_alone(tmp_path: Path) -> None:
    running = RunFolder.create(tmp_path / "run", "x")
    (running.path / ".config.json.0123abcd.tmp").touch()  # as while it is written
    for resume in (False, True):
        with pytest.raises(RunFolderError):
            RunFolder.create(tmp_path, "x", resume=resume)
    assert (running.path / ".config.json.0123abcd.tmp").exists()
    running.write_json(CONFIG, OURS)
    running.release()


def test_a_folder_that_is_being_written_is_refused(tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path / "a", "x")
    for resume in (False, True):
        with pytest.raises(RunFolderError, match="another training is writing there now"):
            RunFolder.create(tmp_path / "a", "x", resume=resume)
    first.release()
    RunFolder.create(tmp_path / "a", "x").release()


def test_what_comes_between_the_look_and_the_lock_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.mkdir()
    look = folder_state

    def then_a_file_comes(folder: Path) -> FolderState:
        state = look(folder)
        (folder / "theirs.txt").write_text("precious")
        return state

    monkeypatch.setattr(run_folder, "folder_state", then_a_file_comes)
    with pytest.raises(RunFolderError, match="is not empty"):
        RunFolder.create(path, "x")
    assert [entry.name for entry in path.iterdir()] == ["theirs.txt"]


def _take_and_leave(path: Path, times: int) -> list[str]:
    said = []
    for _ in range(times):
        try:
            folder = RunFolder.create(path, "x")
        except RunFolderError as error:
            said.append(str(error))
        else:
            try:
                folder.path.joinpath("owner").touch(exist_ok=False)  # alone, or an error
                folder.path.joinpath("owner").unlink()
            finally:
                folder.release()
            said.append("taken")
    return said


def test_of_many_that_take_and_leave_a_folder_one_at_a_time_has_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    children = [Child(lambda: _take_and_leave(path, 100)) for _ in range(3)]
    endings = [child.wait() for child in children]
    assert [ending.error for ending in endings] == ["", "", ""]
    said = [sentence for ending in endings for sentence in ending.result]
    assert "taken" in said
    others = {sentence for sentence in said if sentence != "taken"}
    assert all("is writing there now" in o or "is not empty" in o for o in others), others


def test_an_interrupted_training_is_taken_up_and_a_finished_one_is_known(tmp_path: Path) -> None:
    path = begun(tmp_path / "a")
    left = [
        path / ".result.json.0123abcd.tmp",
        path / "checkpoints/.step-00000001.safetensors.0123abcd.tmp",
    ]
    stays = [
        path / ".notes.txt.0123abcd.tmp",
        path / "checkpoints/.mine.0123abcd.tmp",
        path / "below/.result.json.0123abcd.tmp",
    ]
    (path / "below").mkdir()
    for file in (*left, *stays):
        file.write_bytes(b"half")
    again = RunFolder.create(path, "x", resume=True)
    assert not again.finished
    assert [file.exists() for file in left] == [False, False]
    assert all(file.exists() for file in stays)
    again.write_json(RESULT, {})
    again.write_text(CHECKPOINT, "")
    again.release()
    finished = RunFolder.create(path, "x", resume=True)
    assert finished.finished
    finished.release()


def test_a_start_that_was_killed_leaves_a_folder_that_counts_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.mkdir()
    (path / LOCK).touch()
    (path / ".config.json.0123abcd.tmp").write_text("{")
    folder = RunFolder.create(path, "x")
    assert [entry.name for entry in path.iterdir()] == [LOCK]
    folder.release()
    assert not any(path.iterdir())


def test_only_a_folder_that_was_made_for_the_run_is_removed_again(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for path in (mine, tmp_path / "a" / "b" / "c"):
        folder = RunFolder.create(path, "x")
        folder.write_json(CONFIG, OURS)
        assert not folder.discard_unless_resumable()
        folder.release()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine"]


def test_an_attempt_that_fails_keeps_the_settings_of_the_earlier_one(tmp_path: Path) -> None:
    path = begun(tmp_path / "a")
    again = RunFolder.create(path, "x", resume=True)
    assert not again.discard_unless_resumable()
    again.release()
    assert (path / CONFIG).exists()


def test_checkpoints_are_removed_by_their_names_alone(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", "x")
    folder.checkpoints.mkdir()
    for name in (checkpoint_name(3), ".step-00000003.safetensors.0123abcd.tmp", "best.safetensors"):
        (folder.checkpoints / name).touch()
    folder.remove_checkpoints()
    assert [entry.name for entry in folder.checkpoints.iterdir()] == ["best.safetensors"]
    (folder.checkpoints / "best.safetensors").unlink()
    folder.remove_checkpoints()
    assert not folder.checkpoints.exists()


def test_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = RunFolder.create(tmp_path / "a", "x")
    monkeypatch.setattr(run_folder, "write_atomically", full)
    with pytest.raises(RunFolderError, match=r"No space left on device. Free some space") as raised:
        folder.write_text("x", "y")
    assert raised.value.errno == errno.ENOSPC


def test_a_finished_folder_is_locked_while_something_is_added(tmp_path: Path) -> None:
    path = begun(tmp_path / "a")
    (path / CHECKPOINT).touch()
    folder = RunFolder.open(path)
    with (
        folder.locked(),
        pytest.raises(RunFolderError, match="is writing there now"),
        RunFolder.open(path).locked(),
    ):
        pass
    assert not (path / LOCK).exists()


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\ud800", "/dev/null", "/dev/null/x"])
def test_an_impossible_folder_is_one_error(here: Path, name: str) -> None:
    with pytest.raises(RunFolderError, match="cannot be written"):
        RunFolder.create(Path(name), "x")
    assert not any(here.iterdir())


def test_a_folder_below_home_is_meant_by_a_tilde(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here / "home"))
    folder = RunFolder.create(Path("~/run"), "x")
    assert folder.path == here / "home/run"
    assert [entry.name for entry in here.iterdir()] == ["home"]
