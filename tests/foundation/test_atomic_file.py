from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.tiny import tiny_linear, tiny_set

from fmnistlab.callbacks import CsvLog
from fmnistlab.data.csv_file import write_csv
from fmnistlab.errors import CheckpointWriteError, FmnistlabError
from fmnistlab.foundation.atomic_file import remove_temporaries, write_atomically
from fmnistlab.plots import plot_samples, save_figure
from fmnistlab.testing import tiny_dataset
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as end:  # names are short
        end.bind(path.name)


def a_device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root can make a device node")


def a_link(path: Path) -> None:
    target = path.with_name("target")
    target.write_bytes(b"precious")
    path.symlink_to(target)


def a_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


def a_folder(path: Path) -> None:
    path.mkdir()


ODD = [a_pipe, a_socket, a_device, a_link, a_dangling_link, a_folder]


def save_checkpoint(path: Path) -> None:
    Trainer(tiny_linear(), device="cpu").save(path)


def save_table(path: Path) -> None:
    data = tiny_dataset(10)
    write_csv(path, data.data.numpy(), data.targets.to(torch.uint8).numpy())


def save_picture(path: Path) -> None:
    data = tiny_dataset(10)
    save_figure(plot_samples(data.data, data.targets), path)


def save_log(path: Path) -> None:
    trainer = Trainer(tiny_linear(), Recipe(epochs=1), device="cpu", callbacks=[CsvLog(path)])
    trainer.fit(tiny_set())


WRITERS = [
    (save_checkpoint, "x.safetensors"),
    (save_table, "x.csv"),
    (save_picture, "x.png"),
    (save_log, "log.csv"),
]


@pytest.mark.parametrize("make", ODD)
@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_only_regular_files_are_written_over(
    tmp_path: Path, make: Callable[[Path], None], write: Callable[[Path], None], name: str
) -> None:
    path = tmp_path / name
    make(path)
    before = {entry.name: entry.lstat() for entry in tmp_path.iterdir()}
    with pytest.raises((OSError, FmnistlabError), match=r"link|regular|folder"):
        write(path)
    after = {entry.name: entry.lstat() for entry in tmp_path.iterdir()}
    assert {n: (s.st_ino, s.st_mode, s.st_mtime_ns) for n, s in before.items()} == {
        n: (s.st_ino, s.st_mode, s.st_mtime_ns) for n, s in after.items()
    }


def test_a_link_that_appears_while_writing_is_not_written_through(tmp_path: Path) -> None:
    path = tmp_path / "x"

    def write() -> None:
        with write_atomically(path) as stream:
            stream.write(b"mine")
            a_link(path)

    with pytest.raises(OSError, match="it is a link"):
        write()
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert {entry.name for entry in tmp_path.iterdir()} == {"x", "target"}


def test_the_error_of_a_checkpoint_tells_what_is_in_its_place(tmp_path: Path) -> None:
    a_link(tmp_path / "x")
    with pytest.raises(CheckpointWriteError, match=r"the file that it leads to\. Earlier check"):
        save_checkpoint(tmp_path / "x")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_replaced_file_hands_its_permissions_on(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(mode)
    seen = []
    with write_atomically(path) as stream:
        stream.write(b"new")
        seen = [e.stat().st_mode & 0o777 for e in tmp_path.iterdir() if e.name != "x"]
    assert path.stat().st_mode & 0o777 == mode
    assert not seen[0] & ~mode, "the unfinished file was open to more people than the old one"


@pytest.mark.parametrize("name", ["x" * 255, "ä" * 127, "x" * 201, "-x", "x\ny", "\udcff"])
def test_any_name_that_a_file_can_have_is_written(tmp_path: Path, name: str) -> None:
    with write_atomically(tmp_path / name) as stream:
        stream.write(b"content")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["x\0y", "\ud800", "x" * 256])
def test_an_impossible_name_is_an_error_of_the_system(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(OSError, match=r"no possible name|name too long"),
        write_atomically(tmp_path / name),
    ):
        pass
    assert not any(tmp_path.iterdir())


def test_content_then_name_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power loss the old or the new file is there only if it goes in this order."""
    done: list[str] = []
    flush, rename = os.fsync, os.replace

    def flushed(handle: int) -> None:
        flush(handle)
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        size = os.fstat(handle).st_size if kind == "file" else ""
        done.append(f"flush {kind} {size}".strip())

    def renamed(*arguments: object) -> None:
        rename(*arguments)  # type: ignore[arg-type] # two paths
        done.append("rename")

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    with write_atomically(tmp_path / "x") as stream:
        stream.write(b"content")
    assert done == ["flush file 7", "rename", "flush folder"]


def test_only_our_own_temporary_files_of_one_folder_are_removed(tmp_path: Path) -> None:
    stays = [
        ".config.json.0123abcd.TMP",
        ".config.json.0123abc.tmp",
        ".other.json.0123abcd.tmp",
        ".config.json.vim.tmp",
        "config.json.0123abcd.tmp",
        ".config.json.0123abcd.tmp~",
    ]
    for name in stays:
        (tmp_path / name).touch()
    (tmp_path / "below").mkdir()
    (tmp_path / "below/.config.json.0123abcd.tmp").touch()
    (tmp_path / ".config.json.00000000.tmp").mkdir()
    (tmp_path / ".config.json.11111111.tmp").symlink_to(tmp_path / "config.json.0123abcd.tmp")
    before = sorted(tmp_path.rglob("*"))
    (tmp_path / ".config.json.0123abcd.tmp").touch()
    remove_temporaries(tmp_path, re.compile(r"config\.json"))
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_killed_writer_leaves_is_recognized(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), write_atomically(tmp_path / "x.json"):
        (left,) = tmp_path.iterdir()
        os.link(left, tmp_path / "copy")
        raise KeyboardInterrupt
    (tmp_path / "copy").rename(left)
    remove_temporaries(tmp_path, re.compile(r"x\.json"))
    assert not any(tmp_path.iterdir())
