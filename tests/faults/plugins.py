"""Twenty kinds of broken plug-ins: all else works, and the broken one is named."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.plugin_actions import ACTIONS, HEALTHY, Question
from tests.faults.score import Drill, Score
from tests.plugin_factory import WORKING, Plugin

ROOT = Path(__file__).parents[2]
LONGEST = 300.0
"""Seconds that all questions together may take."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of broken plug-in.

    Attributes:
        plugins: what is installed, each in a folder of its own.
        error: see `Question.error`.
        named: see `Question.named`.
        asked: see `Question.asked`.
        listed: see `Question.listed`.
        torn: bytes that are written over a file of the first plug-in's dist-info folder.
    """

    plugins: Sequence[Plugin]
    error: str
    named: Sequence[str]
    asked: str = "m"
    listed: bool = True
    torn: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


def _bad(source: str | None, value: str = "bad:x") -> tuple[Plugin]:
    return (Plugin("bad", {"m": value}, source, version="1.2"),)


def _named(cause: str, value: str = "bad:x") -> tuple[str, ...]:
    return ("package bad 1.2", f"entry point 'm = {value}'", cause)


def _forward(body: str) -> tuple[Plugin]:
    source = (
        "import torch\nclass x(torch.nn.Linear):\n  def __init__(self): super().__init__(784, 10)\n"
    )
    return _bad(f"{source}  def forward(self, images): {body}\n")


_ASK, _TRAIN, _CLASH, _UNKNOWN = "ModelLoadError", "", "ModelNameClashError", "UnknownModelError"
_LINES = "[fmnistlab.models]\n"

KINDS: dict[str, Kind] = {
    "missing module": Kind(
        _bad(None, "no_such_module:x"), _ASK, _named("ModuleNotFoundError", "no_such_module:x")
    ),
    "missing dependency": Kind(_bad("import no_such_module"), _ASK, _named("no_such_module")),
    "SyntaxError": Kind(_bad("def x(:\n"), _ASK, _named("SyntaxError")),
    "raises at import": Kind(_bad("1 / 0"), _ASK, _named("ZeroDivisionError")),
    "SystemExit at import": Kind(_bad("raise SystemExit(0)"), _ASK, _named("SystemExit")),
    "sleeps in import": Kind(_bad("import time; time.sleep(30)"), "KeyboardInterrupt", ()),
    "missing attribute": Kind(_bad("y = 1"), _ASK, _named("AttributeError")),
    "value not callable": Kind(_bad("x = 3"), _ASK, _named("of type int")),
    "wrong value syntax": Kind(_bad("", "bad/x.py"), _ASK, _named("module:attribute", "bad/x.py")),
    "factory returns no Module": Kind(_bad("def x(): return 3"), _ASK, _named("of type int")),
    "factory raises": Kind(_bad("def x(): 1 / 0"), _ASK, _named("ZeroDivisionError")),
    "same name in two packages": Kind(
        (Plugin("bad", {"m": "bad:build"}, version="1.2"), Plugin("worse", {"m": "worse:build"})),
        _CLASH,
        ("package bad 1.2", "package worse 1.0", "'bad:m'", "'worse:m'"),
    ),
    "a built-in's name": Kind(
        (Plugin("bad", {"CNN": "bad:build"}, version="1.2"),),
        _ASK,
        ("package bad 1.2", "entry point 'cnn = bad:build'", "built-in"),
        asked="bad:cnn",
        listed=False,
    ),
    "duplicate distribution": Kind(
        (*_bad("1 / 0"), Plugin("bad", {"m": "bad:y", "n": "bad:y"}, version="0.9")),
        _ASK,
        _named("ZeroDivisionError"),
    ),
    "no Name in METADATA": Kind(
        (Plugin("bad", {"m": "bad:x"}, "", "1.2", metadata="Metadata-Version: 2.1\n"),),
        _UNKNOWN,
        ("bad-1.2.dist-info cannot be read", "METADATA"),
        listed=False,
    ),
    "broken entry_points.txt": Kind(
        (Plugin("bad", f"{_LINES}no equals sign\n", "", "1.2"),),
        _UNKNOWN,
        ("bad-1.2.dist-info cannot be read",),
        listed=False,
    ),
    "METADATA not in UTF-8": Kind(
        (Plugin("bad", {"m": "bad:x"}, "", "1.2"),),
        _UNKNOWN,
        ("bad-1.2.dist-info cannot be read", "UnicodeDecodeError"),
        listed=False,
        torn={"METADATA": b"Metadata-Version: 2.1\nName: bad\nVersion: 1.2\nAuthor: Andr\xe9\n"},
    ),
    "forward gives a wrong shape": Kind(
        _forward("return torch.ones(len(images), 3)"),
        _TRAIN,
        ("ModelOutputError", "shape (", ", 3)"),
    ),
    "forward gives no tensor": Kind(_forward("return 'boot'"), _TRAIN, ("ModelOutputError", "str")),
    "raises in forward": Kind(_forward("return images[10**9]"), _TRAIN, ("IndexError",)),
}


def run(trials: int, seed: int) -> Score:
    """Installs each kind beside a plug-in that works, and does five things in a fresh process."""
    score = Score()
    kinds = [*KINDS][: -(-trials // len(ACTIONS))]
    with tempfile.TemporaryDirectory() as folder:
        questions = [_install(KINDS[name], Path(folder, str(n))) for n, name in enumerate(kinds)]
        answers = _ask_all(questions, Path(folder))
    for name, found in zip(kinds, answers, strict=True):
        for action in ACTIONS[: trials - score.total]:
            score.count(good=not found[action], trial=f"{name}, {action}: {found[action]}")
    score.notes.append("torch was imported before: some damaged metadata stops torch itself")
    return score


def _install(kind: Kind, folder: Path) -> Question:
    """Returns what to ask about the kind, now that it is installed."""
    Plugin("healthy", {HEALTHY: "healthy:build"}, WORKING).install(folder / "healthy")
    for number, plugin in enumerate(kind.plugins):
        plugin.install(folder / str(number))
    for name, content in kind.torn.items():
        (info,) = (folder / "0").glob("*.dist-info")
        (info / name).write_bytes(content)
    return Question(
        folders=[str(path) for path in sorted(folder.iterdir())],
        modules=[plugin.module for plugin in kind.plugins],
        asked=kind.asked,
        error=kind.error,
        named=kind.named,
        listed=kind.listed,
    )


def _ask_all(questions: list[Question], folder: Path) -> list[dict[str, str]]:
    environment = {
        **os.environ,
        "FMNISTLAB_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("FMNISTLAB_PLUGINS", None)
    finished = subprocess.run(
        [sys.executable, "-m", "tests.faults.plugin_actions"],
        input=json.dumps([dataclasses.asdict(question) for question in questions]),
        stdout=subprocess.PIPE,
        env=environment,
        cwd=folder,
        text=True,
        timeout=LONGEST,
        check=True,
    )
    return [json.loads(line) for line in finished.stdout.splitlines()]


DRILL = Drill("20 kinds of broken plug-ins harm nobody and are named", run, 100, 100)
