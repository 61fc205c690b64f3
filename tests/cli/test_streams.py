"""Standard streams that are closed, broken or full: commands end quietly and nothing is damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from fmnistlab.cli.process import run_process
from fmnistlab.cli.streams import ForgivingStream
from fmnistlab.testing import write_tiny_csv

ROOT = Path(__file__).parents[2]
NEEDS_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs fork and /dev/full")

TRAIN = "train linearnet --data . --epochs 2 --out"
STATES: dict[str, tuple[dict[str, str], int]] = {
    "stdout closed": ({"stdout": "closed"}, 0),
    "stderr closed": ({"stderr": "closed"}, 0),
    "all closed": ({"stdin": "closed", "stdout": "closed", "stderr": "closed"}, 0),
    "stdout broken": ({"stdout": "broken"}, 1),
    "stdout read by head": ({"stdout": "head"}, 1),
    "stderr broken": ({"stderr": "broken"}, 0),
    "stdout full": ({"stdout": "full"}, 5),
    "stderr full": ({"stderr": "full"}, 0),
    "both broken": ({"stdout": "broken", "stderr": "broken"}, 1),
}
COMMANDS = ["--help", "models", "data tiny.csv --json", "evaluate run", "predict run tiny.csv:0"]


def case(words: str, state: str) -> dict[str, Any]:
    streams, code = STATES[state]
    return {"words": words.split(), "expected": code, **streams}


@NEEDS_LINUX
def test_no_command_minds_its_streams(here: Path) -> None:
    """One process for all cases: what takes time is importing torch."""
    write_tiny_csv("fashion-mnist_train.csv", rows=100)
    write_tiny_csv("fashion-mnist_test.csv", rows=20, seed=1)
    write_tiny_csv("tiny.csv", rows=20)
    cases = [
        {**case(f"{TRAIN} out-{number}", state), "state": state}
        for number, state in enumerate(STATES)
        if state not in {"stdout closed", "stderr closed"}  # both are in "all closed"
    ]
    for state in ("all closed", "stdout broken", "stdout full", "stderr broken"):
        cases += [{**case(words, state), "state": state} for words in COMMANDS]
        cases.append({**case("models nothing", state), "expected": 2})
    cases += [
        {"words": ["evaluate", one["words"][-1]], "expected": one["expected"] and 1}
        for one in cases
        if one["words"][0] == "train"
    ]
    results = run_cases(cases)
    for one, result in zip(cases, results, strict=True):
        assert result["code"] == one["expected"], (one, result)
        assert "Traceback" not in result["stderr"], (one, result)
        assert "Exception ignored" not in result["stderr"], (one, result)
        if one["words"][0] != "train" and one.get("stdout") == "broken" and result["code"] == 1:
            assert result["stderr"] == "", one
        if result["code"] == 5:
            assert "standard output: No space left on device." in result["stderr"]


def run_cases(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first = [f"{TRAIN} run", "models", "evaluate run", "predict run tiny.csv:0"]
    content = json.dumps([[words.split() for words in first], *cases])
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.stream_cases", content],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


@NEEDS_LINUX
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_closed_stream(closed: str, here: Path) -> None:
    code = (
        "import os, sys; from fmnistlab.cli.streams import prepare_streams; prepare_streams(); "
        "file = open('data', 'w'); print('out', flush=True); print('err', file=sys.stderr); "
        "os.write(1, b'1'); os.write(2, b'2'); assert file.fileno() > 2; file.write('whole')"
    )
    shell = f'"$0" -c "$1" {closed}'
    words = ["/bin/sh", "-c", shell, sys.executable, code]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    assert Path("data").read_text() == "whole"


@NEEDS_LINUX
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (">/dev/full", 5, "No space left on device"),
        (">&-", 0, ""),
        ("2>/dev/full", 0, ""),
        ("| true; exit ${PIPESTATUS[0]}", 1, ""),
    ],
)
def test_help_that_cannot_be_printed_is_told(
    unbuffered: str, redirection: str, code: int, said: str
) -> None:
    done = subprocess.run(
        ["/bin/bash", "-c", f'"$0" -m fmnistlab --help {redirection}', sys.executable],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == bool(said)


def test_a_forgiving_stream_takes_what_nobody_reads(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1, encoding="utf-8") as broken:
        stream = ForgivingStream(broken)
        assert stream.write("a\n") == 2
        stream.writelines(["b\n", "c\n"])
        stream.flush()
        assert stream.encoding == "utf-8"


@NEEDS_LINUX
@pytest.mark.parametrize("place", ["ascii", "C"])
def test_a_terminal_of_few_letters_is_served_from_the_start(place: str, here: Path) -> None:
    settings = {"PYTHONIOENCODING": "ascii"}
    if place == "C":
        settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "fmnistlab", "grö\x1b\ue000ße"],
        env={**os.environ, **settings},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.isascii()
    assert b"\x1b" not in done.stderr
    assert b"gr\\" in done.stderr


@NEEDS_LINUX
def test_what_a_plugin_left_unwritten_is_told_at_the_end(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        full.write("loading my model ...")
        assert run_process(["data", "missing.csv"]) == 5
    lines = capsys.readouterr().err.splitlines()
    assert "there is no such file" in lines[0]
    assert "No space left on device" in lines[1]


def test_the_keeper_of_shared_memory_is_silent() -> None:
    """It cleans up what an interrupted comparison left, and that is nobody's business."""
    script = """
import os, sys
from fmnistlab.cli.process import run_process
if sys.argv[1:]:
    run_process(sys.argv[1:])
from joblib.externals.loky.backend import resource_tracker
resource_tracker.register("/tmp/nothing-has-this-name", "file")
os._exit(0)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    said = [
        subprocess.run(
            [sys.executable, "-c", script, *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stderr
        for words in ([], ["--version"])
    ]
    assert "leaked" in said[0]
    assert said[1] == ""
