"""Files that were made to do harm: nothing runs, nothing is written, no memory is taken."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import pickle
import random
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from tests.faults import trial
from tests.faults.children import run_child
from tests.faults.score import Drill, Score

from fmnistlab.errors import FmnistlabError
from fmnistlab.training.trainer import Trainer

Header = dict[str, Any]

ROOM = 64 * 2**20
"""Bytes that reading a hostile file may take beyond the file's own size."""


class _Runs:
    """A pickle of it runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


def _signed(header: dict[str, Any], content: bytes) -> bytes:
    """Returns a checkpoint with a right hash, as an attacker who knows the format makes it."""
    header["__metadata__"]["sha256"] = "0" * 64
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = struct.pack("<Q", len(text)) + text + content
    digest = hashlib.sha256(data).hexdigest().encode()
    return data.replace(b'"sha256":"' + b"0" * 64, b'"sha256":"' + digest, 1)


def _parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _pickles(mark: Path) -> list[bytes]:
    harm = _Runs(f"touch {mark}")
    plain = [pickle.dumps(harm, protocol) for protocol in range(6)]
    packed = []
    for name in ("data.pkl", "archive/data.pkl", "../../data.pkl", "/data.pkl"):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(name, plain[2])
        packed.append(stream.getvalue())
    behind = [b"\x93NUMPY" + plain[2], struct.pack("<Q", len(plain[2])) + plain[2]]
    return [*plain, *packed, *behind]


def _forged(whole: bytes, mark: Path) -> list[bytes]:
    """Files that pass the check of the hash, because their maker computed it anew."""
    files = []

    def change(edit: Any) -> None:
        header, content = _parts(whole)
        state = json.loads(header["__metadata__"]["fmnistlab"])
        header, state, content = edit(header, state, content) or (header, state, content)
        if state is not None:
            header["__metadata__"]["fmnistlab"] = json.dumps(state)
        files.append(_signed(header, content))

    def names(header: Header, state: Header, content: bytes) -> None:
        for name in [n for n in header if n.startswith("model/")][:1]:
            header[f"model/../../{mark.name}"] = header.pop(name)

    def huge(header: Header, state: Header, content: bytes) -> None:
        name = next(n for n in header if n.startswith("model/"))
        header[name]["shape"] = [2**40]

    def offsets(header: Header, state: Header, content: bytes) -> None:
        name = next(n for n in header if n.startswith("model/"))
        header[name]["data_offsets"] = [0, 2**40]

    def code(header: Header, state: Header, content: bytes) -> None:
        state["recipe"]["optimizer"] = f"__import__('os').system('touch {mark}')"

    def change_of_images(header: Header, state: Header, content: bytes) -> None:
        state["recipe"]["augmentation"] = [{"name": "os:system", "command": f"touch {mark}"}]

    def reference(header: Header, state: Header, content: bytes) -> None:
        state["model"] = {"class": "X", "reference": {"name": "os:system", "options": {"x": 1}}}

    def options(header: Header, state: Header, content: bytes) -> None:
        state["model"] = {"class": "X", "reference": {"name": "cnn", "options": {"x": "y" * 9}}}

    def deep(header: Header, state: Header, content: bytes) -> Any:
        header["__metadata__"]["fmnistlab"] = "[" * 100_000
        return header, None, content

    def nothing(header: Header, state: Header, content: bytes) -> Any:
        return header, {}, content

    def numbers(header: Header, state: Header, content: bytes) -> Any:
        return header, {"format": 10**400}, content

    def newer(header: Header, state: Header, content: bytes) -> None:
        state["format"] = 99

    def history(header: Header, state: Header, content: bytes) -> None:
        state["history"] = '{"format": 1, "epochs": [{"epoch": "x"}]}'

    def fit(header: Header, state: Header, content: bytes) -> None:
        state["fit"] = {"callbacks": {"../../x": {}}}

    def groups(header: Header, state: Header, content: bytes) -> None:
        state["optimizer"]["state"]["param_groups"] = [{"params": [0, 1, 2**60]}]

    def rearranged(header: Header, state: Header, content: bytes) -> None:
        state["optimizer"]["arrangement"]["groups"] = [["x" * 2**20], 7]

    def views(header: Header, state: Header, content: bytes) -> None:
        name = next(name for name in header if name.startswith("optimizer/"))
        state["optimizer"]["state"]["state"] = {
            "$tensor": name.removeprefix("optimizer/"),
            "dtype": "torch.float32",
            "shape": [2**40],
            "stride": [2**20],
            "offset": 2**50,
        }

    def tags(header: Header, state: Header, content: bytes) -> None:
        state["optimizer"]["state"] = {"$system": "touch x"}

    def text(header: Header, state: Header, content: bytes) -> None:
        state["seed"] = "x" * 2**20

    for edit in (
        *(names, huge, offsets, code, change_of_images, reference, options, deep, nothing),
        *(numbers, newer, history, fit, groups, text, rearranged, views, tags),
    ):
        change(edit)
    files += [b"{}", b"[" * 2**20, struct.pack("<Q", 2**40) + b"{" * 9, struct.pack("<Q", 0)]
    return files


def _peak() -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _load(path: Path, *, own_model: bool) -> tuple[str, int]:
    os.chdir(path.parent)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak begins anew
    before = _peak()
    try:
        made = Trainer.load(path, model=trial.make_model() if own_model else None)
        made.fit(*trial.data())
        said = "loaded and trained"
    except FmnistlabError as error:
        said = f"refused: {error}"
    return said, _peak() - before


def run(trials: int, seed: int) -> Score:
    """Loads each file in a child, in a folder where every trace would be seen."""
    score = Score()
    random.seed(seed)
    with tempfile.TemporaryDirectory() as name:
        inner = Path(name, "inner", "inner")
        inner.mkdir(parents=True)
        mark = Path(name, "executed")
        made = trial.trainer()
        made.fit(*trial.data())
        files = [*_pickles(mark), *_forged(made.to_bytes(), mark)]
        for number, content in enumerate(files):
            path = inner / f"{number}.safetensors"
            path.write_bytes(content)
            own = b"os:system" not in content and b'"x": "yyy' not in content.replace(b"\\", b"")
            ending = run_child(functools.partial(_load, path, own_model=own))
            said, taken = ending.result or (ending.error, 0)
            left = {str(p.relative_to(name)) for p in Path(name).rglob("*") if p.is_file()}
            good = (
                ending.code == 0
                and said.startswith("refused")
                and left == {f"inner/inner/{number}.safetensors"}
                and taken <= len(content) + ROOM
            )
            score.count(good=good, trial=f"file {number}: {said[:300]}, {taken:,} bytes, {left}")
            path.unlink()
    return score


DRILL = Drill("hostile files: refused, nothing runs, memory bounded", run, short=31, long=31)
