"""The checkpoint file: tensors as tensors, all else as JSON, one hash over every byte.

A checkpoint is one safetensors file. Its metadata holds the state as JSON text and a SHA-256 of the
whole file, computed with 64 zeros in the hash's own place. Nothing is built before the hash was
verified, so a damaged file is never half-read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch

from fmnistlab.errors import CheckpointDamagedError, CheckpointError, CheckpointWriteError
from fmnistlab.foundation.atomic_file import write_atomically
from fmnistlab.foundation.regular_file import read_regular_file

FORMAT_VERSION = 1
"""Version of the layout of checkpoints; a reader refuses newer ones."""

_STATE = "fmnistlab"
_HASH = b'"sha256":"'
_NO_HASH = b"0" * 64


_MISMADE = (
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),
    safetensors.SafetensorError,
)
"""What reading a file may raise whose hash is right and whose content is not."""


class Checkpoint(NamedTuple):
    """What a checkpoint file holds.

    Attributes:
        tensors: by name; read from a file on the CPU, copied from a training on its device, each
            with memory of its own, of any layout.
        state: everything else, plain JSON values; of a copy also functions that return such values
            when it is written.
    """

    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]

    def to_bytes(self) -> bytes:
        """Returns the content of the checkpoint file."""
        return encode_checkpoint(self.tensors, self.state)


def copied(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns copies, each with memory of its own: safetensors refuses tensors that share it.

    They keep their layout, because a training waits for them and turning a matrix takes longer.
    """
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def encode_checkpoint(tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> bytes:
    """Returns the content of a checkpoint file.

    Args:
        tensors: by name, as `copied` returns them.
        state: as a `Checkpoint` has it.

    Raises:
        TypeError, ValueError: `state` is not JSON-able.
    """
    text = json.dumps({"format": FORMAT_VERSION, **state}, default=_called)
    by_rows = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(by_rows, {_STATE: text, "sha256": _NO_HASH.decode()})
    digest = hashlib.sha256(data).hexdigest().encode()
    start = data.index(_HASH + _NO_HASH) + len(_HASH)
    return b"".join([memoryview(data)[:start], digest, memoryview(data)[start + len(digest) :]])


def _called(value: Any) -> Any:
    if callable(value):
        return value()
    raise TypeError(f"{type(value).__name__} is not JSON-able")


def decode_checkpoint(data: bytes, source: str | os.PathLike[str]) -> Checkpoint:
    """Verifies the content of a checkpoint file and returns what it holds.

    Args:
        data: all of it.
        source: where it comes from, for messages.

    Raises:
        CheckpointDamagedError: it is no checkpoint, or was damaged.
        CheckpointError: it is of a newer format.
    """
    metadata = _metadata(data, source)
    unsigned = data.replace(_HASH + metadata["sha256"].encode(), _HASH + _NO_HASH, 1)
    if hashlib.sha256(unsigned).hexdigest() != metadata["sha256"]:
        raise CheckpointDamagedError(
            f"{source}: damaged: the content does not match the SHA-256 inside. Use another copy."
        )
    try:
        state = json.loads(metadata[_STATE])
        version = int(state.pop("format"))
        if version > FORMAT_VERSION:
            raise CheckpointError(
                f"{source}: written by a newer version of fmnistlab (format {version}; this one "
                f"reads up to {FORMAT_VERSION}). Update fmnistlab to read it."
            )
        return Checkpoint(safetensors.torch.load(data), state)
    except _MISMADE as error:
        # The hash matches, so this is not accidental damage.
        raise CheckpointDamagedError(
            f"{source}: no checkpoint that fmnistlab has written: {error!r}"
        ) from error


def write_checkpoint(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes what `encode_checkpoint` returned; the file is there whole or not at all.

    Args:
        path: the file; an existing one is replaced.
        data: its content.

    Raises:
        CheckpointWriteError: the folder is missing, read-only or full; what was there before is
            untouched, and nothing half-written is left.
    """
    try:
        with write_atomically(path) as stream:
            stream.write(data)
    except OSError as error:
        room = ""
        if error.errno in _NO_ROOM:
            free = _free_bytes(Path(path).parent)
            room = f" It needs {len(data):,} bytes, and {free} are free there."
        explained = CheckpointWriteError(
            f"{os.fspath(path)}: cannot be written: {error.strerror or error}.{room} "
            "Earlier checkpoints are untouched."
        )
        explained.errno = error.errno
        raise explained from error


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _free_bytes(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free:,}"
    except OSError:
        return "an unknown number of"


def read_checkpoint(path: str | os.PathLike[str]) -> bytes:
    """Returns the content of a checkpoint file, not verified yet.

    Raises:
        CheckpointError: the file is missing, cannot be read, or is a folder, a pipe or a device.
    """
    try:
        return read_regular_file(path, follow_links=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}.") from error


def _metadata(data: bytes, source: str | os.PathLike[str]) -> dict[str, str]:
    """Returns the metadata of a safetensors file, which is not to be trusted yet."""
    length = int.from_bytes(data[:8], "little")
    try:
        if not 8 < 8 + length <= len(data):
            raise ValueError("its header is cut off")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        if not {_STATE, "sha256"} <= set(metadata):
            raise ValueError("it is a safetensors file not written by fmnistlab")
        return {name: str(value) for name, value in metadata.items()}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointDamagedError(
            f"{source}: not a fmnistlab checkpoint, or damaged: {error}."
        ) from error
