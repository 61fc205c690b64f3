from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import json_values, named_tensors

from fmnistlab.errors import CheckpointError
from fmnistlab.foundation.atomic_file import write_atomically
from fmnistlab.training.checkpoints import file as container
from fmnistlab.training.checkpoints.file import (
    Checkpoint,
    copied,
    decode_checkpoint,
    encode_checkpoint,
    read_checkpoint,
    write_checkpoint,
)


def opened(path: Path) -> Checkpoint:
    return decode_checkpoint(read_checkpoint(path), path)


@settings(max_examples=60)
@given(named_tensors(), st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_tensors_and_state_survive(
    tmp_path: Path, tensors: dict[str, torch.Tensor], state: dict[str, object]
) -> None:
    path = tmp_path / "x.safetensors"
    state.pop("format", None)
    write_checkpoint(path, encode_checkpoint(copied(tensors), state))
    loaded = opened(path)
    assert loaded.state == state
    assert loaded.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded.tensors[name].dtype == tensor.dtype
        assert torch.equal(loaded.tensors[name], tensor)


def test_shared_and_strided_tensors_are_written_as_they_look(tmp_path: Path) -> None:
    weight = torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=torch.channels_last)
    write_checkpoint(
        tmp_path / "x",
        encode_checkpoint(copied({"a": weight, "b": weight, "c": weight.transpose(0, 1)}), {}),
    )
    loaded = opened(tmp_path / "x").tensors
    assert torch.equal(loaded["a"], weight)
    assert torch.equal(loaded["b"], weight)
    assert torch.equal(loaded["c"], weight.transpose(0, 1))
    assert loaded["a"].is_contiguous()


@pytest.fixture(scope="module")
def good_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "x"
    write_checkpoint(
        path, encode_checkpoint({"w": torch.arange(50.0)}, {"seed": 3, "text": "0" * 64})
    )
    return path.read_bytes()


@settings(max_examples=300)
@given(st.data())
def test_any_flipped_bit_is_noticed(tmp_path: Path, good_bytes: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(good_bytes) - 1))
    bit = data.draw(st.integers(0, 7))
    broken = bytearray(good_bytes)
    broken[place] ^= 1 << bit
    (tmp_path / "x").write_bytes(broken)
    with pytest.raises(CheckpointError, match=r"damaged|not a fmnistlab checkpoint"):
        opened(tmp_path / "x")


@given(st.data())
def test_any_cut_and_any_tail_is_noticed(
    tmp_path: Path, good_bytes: bytes, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(good_bytes) - 1))
    (tmp_path / "x").write_bytes(good_bytes[:cut])
    with pytest.raises(CheckpointError):
        opened(tmp_path / "x")
    (tmp_path / "x").write_bytes(good_bytes + bytes(data.draw(st.integers(1, 9))))
    with pytest.raises(CheckpointError):
        opened(tmp_path / "x")


@given(st.binary(max_size=300))
def test_foreign_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a fmnistlab checkpoint"):
        opened(tmp_path / "x")


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(safetensors.torch.save({"w": torch.zeros(1)}, {"by": "them"}))
    with pytest.raises(CheckpointError, match="not written by fmnistlab"):
        opened(tmp_path / "x")
    header = json.dumps({"__metadata__": {"fmnistlab": "{}", "sha256": ""}}).encode()
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(CheckpointError, match="damaged"):
        opened(tmp_path / "x")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        opened(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="it is a folder"):
        opened(tmp_path)


def test_a_newer_format_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "FORMAT_VERSION", 2)
    write_checkpoint(tmp_path / "x", encode_checkpoint({}, {}))
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="newer version of fmnistlab"):
        opened(tmp_path / "x")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fail() -> None:
        with write_atomically(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [path]


def test_a_write_replaces_the_file_and_respects_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "x"
    mask = os.umask(0o027)
    try:
        with write_atomically(path) as stream:
            stream.write(b"one")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640
    with write_atomically(path) as stream:
        stream.write(b"two")
    assert path.read_bytes() == b"two"
    with pytest.raises(FileNotFoundError), write_atomically(tmp_path / "no" / "folder"):
        pass
