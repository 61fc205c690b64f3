"""The checkpoint file: tensors as tensors, all else as JSON, one hash over every byte.

A checkpoint is one safetensors file. Its metadata holds the state as JSON text and a SHA-256 of the
whole file, computed with 64 zeros in the hash's own place. Nothing is built before the hash was
verified, so a damaged file is never half-read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch

from fmnistlab.atomic_file import write_atomically
from fmnistlab.errors import CheckpointError

FORMAT_VERSION = 1
"""Version of the layout of checkpoints; a reader refuses newer ones."""

_STATE = "fmnistlab"
_HASH = b'"sha256":"%s"'
_NO_HASH = b"0" * 64


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        tensors: by name, on the CPU.
        state: everything else, plain JSON values.
    """

    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]


def encode_checkpoint(tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> bytes:
    """Returns the content of a checkpoint file.

    Args:
        tensors: by name, on any device, of any layout.
        state: JSON-able values.

    Raises:
        ValueError: `state` is not JSON-able.
    """
    # Copies, because safetensors refuses tensors that share memory, as tied weights do.
    copies = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    text = json.dumps({"format": FORMAT_VERSION, **state})
    data = safetensors.torch.save(copies, {_STATE: text, "sha256": _NO_HASH.decode()})
    digest = hashlib.sha256(data).hexdigest().encode()
    return data.replace(_HASH % _NO_HASH, _HASH % digest, 1)


def decode_checkpoint(data: bytes, source: str | os.PathLike[str]) -> Checkpoint:
    """Verifies the content of a checkpoint file and returns what it holds.

    Args:
        data: all of it.
        source: where it comes from, for messages.

    Raises:
        CheckpointError: it is no checkpoint, was damaged, or is of a newer format.
    """
    metadata = _metadata(data, source)
    unsigned = data.replace(_HASH % metadata["sha256"].encode(), _HASH % _NO_HASH, 1)
    if hashlib.sha256(unsigned).hexdigest() != metadata["sha256"]:
        raise CheckpointError(
            f"{source}: damaged: the content does not match the SHA-256 inside. Use another copy."
        )
    state = json.loads(metadata[_STATE])
    if state.pop("format") > FORMAT_VERSION:
        raise CheckpointError(
            f"{source}: written by a newer version of fmnistlab; update it to read this file."
        )
    return Checkpoint(safetensors.torch.load(data), state)


def write_checkpoint(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes what `encode_checkpoint` returned; the file is there whole or not at all.

    Args:
        path: the file; an existing one is replaced.
        data: its content.

    Raises:
        OSError: the folder is missing, read-only or full.
    """
    with write_atomically(path) as stream:
        stream.write(data)


def read_checkpoint(path: str | os.PathLike[str]) -> bytes:
    """Returns the content of a checkpoint file, not verified yet.

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    try:
        return Path(path).read_bytes()
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
            raise ValueError("it is a safetensors file of somebody else")
        return {name: str(value) for name, value in metadata.items()}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{source}: not a fmnistlab checkpoint, or damaged: {error}."
        ) from error


def pack_optimizer(state: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Splits an optimizer's state_dict into tensors and JSON-able values."""
    tensors: dict[str, torch.Tensor] = {}
    values: dict[str, Any] = {}
    for index, entries in state["state"].items():
        for name, entry in entries.items():
            key = f"{index}.{name}"
            if isinstance(entry, torch.Tensor):
                tensors[key] = entry
            else:
                values[key] = entry
    return tensors, {"values": values, "groups": state["param_groups"]}


def unpack_optimizer(tensors: dict[str, torch.Tensor], packed: dict[str, Any]) -> dict[str, Any]:
    """Joins what `pack_optimizer` split into a state_dict again."""
    state: dict[int, dict[str, Any]] = {}
    for key, entry in {**packed["values"], **tensors}.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = entry
    return {"state": state, "param_groups": packed["groups"]}
