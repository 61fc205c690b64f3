"""A checkpoint that is not what was written is named as damaged, and an older one stands in."""

from __future__ import annotations

import json
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults import trial
from tests.faults.score import Drill, Score

from fmnistlab.errors import CheckpointDamagedError, CheckpointError
from fmnistlab.training.checkpoints.file import decode_checkpoint
from fmnistlab.training.checkpoints.folder import list_checkpoints, newest_checkpoint

Header = dict[str, Any]

Damage = Callable[[bytes, random.Random], bytes]


def _flip_bit(data: bytes, chooser: random.Random) -> bytes:
    place = chooser.randrange(len(data))
    changed = bytearray(data)
    changed[place] ^= 1 << chooser.randrange(8)
    return bytes(changed)


def _other_byte(data: bytes, chooser: random.Random) -> bytes:
    place = chooser.randrange(len(data))
    changed = bytearray(data)
    changed[place] = (changed[place] + chooser.randint(1, 255)) % 256
    return bytes(changed)


def _zeros(data: bytes, chooser: random.Random) -> bytes:
    start = chooser.randrange(len(data))
    part = data[start : start + 4096]
    zeros = bytes(len(part)) if any(part) else b"\1" * len(part)
    return data[:start] + zeros + data[start + len(part) :]


def _cut(data: bytes, chooser: random.Random) -> bytes:
    return data[: chooser.randrange(len(data))]


def _trailing(data: bytes, chooser: random.Random) -> bytes:
    return data + chooser.randbytes(chooser.randint(1, 64))


def _empty(data: bytes, chooser: random.Random) -> bytes:
    return b""


def _foreign(data: bytes, chooser: random.Random) -> bytes:
    return chooser.randbytes(chooser.randint(1, 5000))


def _header(change: Callable[[Header, random.Random], object]) -> Damage:
    """Changes the header as JSON and leaves the hash inside as it was."""

    def damage(data: bytes, chooser: random.Random) -> bytes:
        length = struct.unpack("<Q", data[:8])[0]
        content = json.loads(data[8 : 8 + length])
        change(content, chooser)
        text = json.dumps(content, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + data[8 + length :]

    return damage


def _swap(content: Header, chooser: random.Random) -> None:
    names = [name for name in content if name != "__metadata__"]
    same: dict[str, list[str]] = {}
    for name in names:
        key = str(content[name]["shape"]) + content[name]["dtype"]
        same.setdefault(key, []).append(name)
    one, other = chooser.sample(chooser.choice([n for n in same.values() if len(n) > 1]), 2)
    content[one], content[other] = content[other], content[one]


def _dtype(content: Header, chooser: random.Random) -> None:
    name = chooser.choice([n for n in content if content[n].get("dtype") == "F32"])
    content[name]["dtype"] = "I32"


def _huge_shape(content: Header, chooser: random.Random) -> None:
    name = chooser.choice([n for n in content if n != "__metadata__"])
    content[name]["shape"] = [2**40]


def _state(content: Header, chooser: random.Random) -> None:
    state = json.loads(content["__metadata__"]["fmnistlab"])
    state["step"] += chooser.randint(1, 9)
    content["__metadata__"]["fmnistlab"] = json.dumps(state)


def _long_header(data: bytes, chooser: random.Random) -> bytes:
    return struct.pack("<Q", 2**63) + data[8:]


def _twice(data: bytes, chooser: random.Random) -> bytes:
    length = struct.unpack("<Q", data[:8])[0]
    text = data[8 : 8 + length].rstrip()
    name = chooser.choice([n for n in json.loads(text) if n != "__metadata__"])
    again = f',"{name}":{json.dumps(json.loads(text)[name])}}}'.encode()
    text = text[:-1] + again
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


DAMAGES: dict[str, Damage] = {
    "one bit flipped": _flip_bit,
    "one byte changed": _other_byte,
    "4 KiB zeroed": _zeros,
    "cut off": _cut,
    "bytes at the end": _trailing,
    "empty": _empty,
    "a foreign file": _foreign,
    "two tensors swapped": _header(_swap),
    "another type of number": _header(_dtype),
    "a shape of 2^40": _header(_huge_shape),
    "another step in the state": _header(_state),
    "a header of 2^63 bytes": _long_header,
    "a tensor named twice": _twice,
}


def run(trials: int, seed: int) -> Score:
    """Damages the newest of two checkpoints."""
    score = Score()
    chooser = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trial.train(folder, every_steps=8)
        newest, older = list_checkpoints(folder)
        whole = newest.read_bytes()
        for number in range(trials):
            kind = [*DAMAGES][number % len(DAMAGES)]
            damaged = DAMAGES[kind](whole, chooser)
            newest.write_bytes(damaged)
            try:
                decode_checkpoint(damaged, newest)
                found = "read as if it were whole"
            except CheckpointDamagedError as error:
                found = "" if str(newest) in str(error) else f"unnamed: {error}"
            except (CheckpointError, MemoryError, OSError) as error:
                found = repr(error)
            if newest_checkpoint(folder) != older:
                found += "; the older one did not stand in"
            what = f"trial {number} of seed {seed}: {kind}: {found}"
            score.count(good=damaged != whole and not found, trial=what)
    return score


DRILL = Drill("damaged checkpoints are named, and the one before stands in", run, 300, 2000)
