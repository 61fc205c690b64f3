"""What the commands print, whatever names, errors and files hold: text that acts on no terminal."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.plugin_factory import Plugin, installed

from fmnistlab.cli import output, process
from fmnistlab.cli.main import run
from fmnistlab.cli.paths import path_argument
from fmnistlab.testing import write_tiny_csv

ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
ACTS = (
    "a\x1b]0;title\x07\x1b[2J\x9b1m"  # commands to a terminal
    "\r\nfmnistlab: error: all is well\n\x0b"  # lines of their own
    "b\u202egpj\u2066c\u2028d"  # writing that turns round
    "e\udcff\udc80"  # bytes that are no text
)
HOSTILE = {"acting": ACTS, "long": "b" * 10_000}
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with data, a picture and a trained model in `out`."""
    place, before = tmp_path_factory.mktemp("output"), Path.cwd()
    os.chdir(place)
    write_tiny_csv("fashion-mnist_train.csv", rows=100)
    write_tiny_csv("fashion-mnist_test.csv", rows=20, seed=1)
    Image.new("L", (28, 28)).save("x.png")
    words = ["train", "linearnet", "--data", ".", "--epochs", "1", "--out", "out", "--json"]
    assert run(words) == 0
    yield place
    os.chdir(before)


@pytest.fixture
def apart(folder: Path, here: Path) -> Path:
    """A working folder of its own, with the same content, for tests that leave files behind."""
    for name in ("fashion-mnist_train.csv", "fashion-mnist_test.csv", "x.png"):
        (here / name).hardlink_to(folder / name)
    (here / "out").symlink_to(folder / "out")
    return here


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """What a test prints; nothing of it may act on a terminal."""
    capsys.readouterr()
    seen: list[str] = []
    read = capsys.readouterr

    def remember() -> Any:
        result = read()
        seen.extend(result)
        return result

    capsys.readouterr = remember  # type: ignore[method-assign] # for this test
    yield capsys
    capsys.readouterr()
    for text in seen:
        assert not ACTING.search(text)
        if text[:1] not in {"[", "{"}:  # JSON is exact
            assert max(map(len, text.splitlines()), default=0) < 3000
        text.encode("utf-8")


def code_of(*words: str) -> int | str | None:
    try:
        return run(words)
    except SystemExit as ended:
        return ended.code


PLACES = {
    "train MODEL": (2, "train {} --data ."),
    "train FILE.py:NAME": (2, "train {}.py:Net --data ."),
    "train x.py:NAME": (2, "train x.py:{} --data ."),
    "train --train": (3, "train linearnet --train {} --test fashion-mnist_test.csv"),
    "train --test": (3, "train linearnet --train fashion-mnist_train.csv --test {}"),
    "train --data": (3, "train linearnet --data {}"),
    "train --out": (1, "train linearnet --data . --out x.png/{}"),
    "train --resume": (1, "train linearnet --data . --resume --out x.png/{}"),
    "train --device": (2, "train linearnet --data . --device {}"),
    "train --threads": (2, "train linearnet --threads {}"),
    "train --execution": (2, "train linearnet --execution {}"),
    "train --epochs": (2, "train linearnet --epochs {}"),
    "evaluate RUN": (1, "evaluate {}"),
    "evaluate --data": (3, "evaluate out --data {}"),
    "evaluate --model": (2, "evaluate out --model {}"),
    "evaluate --device": (2, "evaluate out --device {}"),
    "predict RUN": (1, "predict {} x.png"),
    "predict IMAGE": (3, "predict out {}"),
    "predict FILE.csv": (3, "predict out {}.csv"),
    "predict FILE.csv:3": (3, "predict out {}.csv:3"),
    "predict FILE.csv:ROWS": (2, "predict out fashion-mnist_test.csv:0,{}"),
    "predict bundled:ROWS": (2, "predict out bundled:{}"),
    "predict --picture": (2, "predict out x.png --picture {}"),
    "predict --device": (2, "predict out x.png --device {}"),
    "verify --model": (2, "verify out --model {}.py:Net"),
    "verify RUN": (1, "verify {}"),
    "models MODEL": (2, "models {}"),
    "data FILE": (3, "data {}"),
    "data --expect": (2, "data fashion-mnist_test.csv --expect {}"),
    "data --picture": (2, "data fashion-mnist_test.csv --picture {}"),
    "data --export": (3, "data --export x.png/{}"),
    "--print-completion": (2, "--print-completion {}"),
    "COMMAND": (2, "{}"),
    "unknown option": (2, "models --{}"),
}
TEXTS = {**HOSTILE, "too long": "c" * 300, "NUL": "a\0b", "no bytes": "a\ud800"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_any_argument_is_refused_in_one_line_with_the_right_code(
    place: str, text: str, printed: pytest.CaptureFixture[str]
) -> None:
    code, words = PLACES[place]
    impossible = "\0" in text or "\ud800" in text
    before = sorted(Path.cwd().iterdir())
    got = code_of(*(word.replace("{}", text) for word in words.split()))
    assert got == code or (got == 2 and impossible)
    (line,) = [line for line in printed.readouterr().err.splitlines() if "error: " in line]
    assert "[Errno" not in line
    assert "unexpected" not in line
    assert sorted(Path.cwd().iterdir()) == before


NAMES = {"acting": ACTS, "long": "b" * 200, "formula": "$a_$"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_any_file_name_is_shown_and_never_obeyed(
    name: str, apart: Path, printed: pytest.CaptureFixture[str]
) -> None:
    Path(name + ".csv").write_bytes(Path("fashion-mnist_test.csv").read_bytes())
    Image.new("L", (28, 28), 250).save(name + ".png")
    assert run(["data", name + ".csv", "--picture", name + "-drawn.png"]) == 0
    assert run(["predict", "out", name + ".png", name + ".csv:0-2", "--picture", "p.png"]) == 0
    assert run(["evaluate", "out", "--data", name + ".csv"]) == 0
    printed.readouterr()
    assert run(["predict", "out", name + ".png", "--json", "--picture", name + "-drawn.png"]) == 0
    text = printed.readouterr().out
    assert text.isascii()
    (entry,) = json.loads(text)
    entry["image"].encode("utf-8")
    assert entry["image"] == (name + ".png").replace("\udcff\udc80", r"\udcff\udc80")


def test_any_run_folder_is_shown_and_never_obeyed(
    apart: Path, printed: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "linearnet", "--data", ".", "--epochs", "1", "--out", ACTS]) == 0
    assert run(["train", "linearnet", "--data", ".", "--out", ACTS]) == 1
    assert run(["evaluate", ACTS]) == 0
    assert run(["predict", ACTS, "x.png"]) == 0


@hostile
def test_any_cell_of_a_file_is_shown_and_never_obeyed(
    text: str, tmp_path: Path, printed: pytest.CaptureFixture[str]
) -> None:
    content = Path("fashion-mnist_test.csv").read_text()
    raw = text.encode("utf-8", "surrogateescape")
    for number, spoilt in enumerate(("pixel3,", "\n3,")):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(
            content.encode().replace(spoilt.encode(), spoilt[:-1].encode() + raw + b",", 1)
        )
        assert run(["data", str(path)]) == 3


@hostile
def test_any_plugin_is_shown_and_never_obeyed(
    text: str, tmp_path: Path, printed: pytest.CaptureFixture[str]
) -> None:
    decodable = text.encode("utf-8", "replace").decode()
    one_line = " ".join(decodable.splitlines())
    raising = f"def build(): raise ValueError({text!a})\n"
    naming = (
        "from torch import nn\n"
        f"Odd = type({decodable!a}, (nn.Flatten,), {{}})\n"
        "def build():\n"
        "    model = nn.Sequential()\n"
        f"    model.add_module({text.replace('.', '')!a}, Odd())\n"
        "    return model\n"
    )
    plugins = [
        Plugin("raises", {"raises": "raises:build"}, raising),
        Plugin("names", {"names": "names:build"}, naming),
        Plugin("nowhere", {"nowhere": "nowhere:" + one_line}),
        Plugin(
            "versions",
            f"[fmnistlab.models]\n{one_line} = versions:build\n",
            metadata="Metadata-Version: 2.1\nName: {package}" + "\x1b[2J\nVersion: 1\x1b[2J\n",
        ),
        Plugin("damaged", b"[fmnistlab.models]\n\xff\x1b[2J"),
    ]
    with installed(tmp_path, *plugins):
        assert run(["models"]) == 0
        assert run(["models", "names"]) == 0
        assert run(["models", "raises"]) == 1
        assert run(["models", "raises", "-vv"]) == 1
        assert run(["train", "raises", "--data", "."]) == 1
        printed.readouterr()
        assert run(["models", "--json"]) == 0
        text = printed.readouterr().out
        assert text.isascii()
        assert {entry["name"] for entry in json.loads(text)} >= {"raises", "names", "cnn"}


def test_an_error_that_nobody_expected_is_one_line(
    tmp_path: Path, printed: pytest.CaptureFixture[str]
) -> None:
    failing = (
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Linear(1, 1)\n"
        "    def forward(self, images):\n"
        "        {}\n"
    )
    for number, (statement, said) in enumerate(
        {
            "raise TypeError('a\\x1b[2J\\nb')": r"unexpected error: TypeError: a\x1b[2J b. This is",
            "raise SystemExit(0)": "unexpected error: SystemExit: 0. This is",
        }.items()
    ):
        plugin = Plugin(
            f"fails{number}", {"fails": f"fails{number}:Net"}, failing.format(statement)
        )
        with installed(tmp_path / str(number), plugin):
            assert run(["models", "fails"]) == 1
        (line,) = printed.readouterr().err.splitlines()
        assert line.startswith(f"fmnistlab: error: {said} a fault of fmnistlab")
        assert "run again with -vv" in line


class Terminal(io.TextIOWrapper):
    """A stream over bytes in memory, with the attribute that a real one has."""

    mode = "w"


@pytest.mark.parametrize("encoding", ["ascii"])
def test_a_terminal_that_lacks_a_letter_shows_an_escape(
    encoding: str, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fmnistlab.cli.streams import prepare_streams

    name = f"größe-衣服-{encoding}"
    Path(name + ".csv").write_bytes(Path("fashion-mnist_test.csv").read_bytes())
    written = io.BytesIO(), io.BytesIO()
    streams = [Terminal(stream, encoding=encoding) for stream in written]
    monkeypatch.setattr("sys.stdout", streams[0])
    monkeypatch.setattr("sys.stderr", streams[1])
    prepare_streams()
    assert run(["data", name + ".csv"]) == 0
    assert run(["train", "linearnet", "--data", ".", "--epochs", "1", "--out", name]) == 0
    assert run(["evaluate", name]) == 0
    assert run(["predict", name, name + ".csv:0", "x.png"]) == 0
    assert run(["models", name]) == 2
    for stream, content in zip(streams, written, strict=True):
        stream.flush()
        assert r"\u8863\u670d" in content.getvalue().decode(encoding)


def test_warnings_of_libraries_are_one_printable_line(
    printed: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", process._show_warning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("a\x1b[2J\nb", UserWarning, stacklevel=1)
    (line,) = printed.readouterr().err.splitlines()
    assert line.startswith(r"note: UserWarning: a\x1b[2J\nb (")


def test_errors_of_threads_and_of_the_end_are_printable(
    printed: pytest.CaptureFixture[str],
) -> None:
    error = ValueError("a\x1b[2J")
    process._show_uncaught(ValueError, error, None)
    assert printed.readouterr().err == "ValueError: a\\x1b[2J\n"


def test_json_is_strict_whatever_it_holds(printed: pytest.CaptureFixture[str]) -> None:
    output.json_result({"a\udcff": ["\udcff", "\x1b\x7f\u202e", float("nan"), ("é",)]})
    text = printed.readouterr().out
    assert json.loads(text) == {"a\\udcff": ["\\udcff", "\x1b\x7f\u202e", None, ["é"]]}
    assert text.isascii()
    assert sys.stdout is not None


def test_a_name_that_no_file_can_have_is_refused_with_the_reason() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no file name can have here"):
        path_argument("a\ud800")
    with pytest.raises(argparse.ArgumentTypeError, match="NUL byte"):
        path_argument("a\0b")
    assert path_argument("a\udcff") == Path("a\udcff")


def test_each_line_of_a_block_is_made_printable(capsys: pytest.CaptureFixture[str]) -> None:
    output.result_block("one\x1b[2J\ntwo\u202e\nthree")
    assert capsys.readouterr().out == "one\\x1b[2J\ntwo\\u202e\nthree\n"


PRINTS = """
import torch

print("a plug-in greets")


class Net(torch.nn.Module):
    def __init__(self, kind="plain"):
        super().__init__()
        print("a model is made")
        self.layer = torch.nn.LazyLinear(10) if kind == "lazy" else torch.nn.Linear(784, 10)

    def forward(self, images):
        print("a batch comes")
        return self.layer(images.flatten(1))


def lazy():
    return Net("lazy")


class Odd(torch.nn.Module):
    def parameters(self, recurse=True):
        raise ValueError("no parameters today")
"""


def test_what_plug_ins_print_and_how_they_are_made_spoils_no_list(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    models = {"prints": "loud:Net", "lazy": "loud:lazy", "odd": "loud:Odd"}
    with installed(here / "site", Plugin("loud", models, source=PRINTS)):
        assert run(["models", "--json"]) == 0
        captured = capfd.readouterr()
        found = {model["name"]: model for model in json.loads(captured.out)}
        assert found["prints"]["parameters"] == 7850
        assert (found["lazy"]["parameters"], found["lazy"]["error"]) == (None, None)
        assert "ValueError: no parameters today" in found["odd"]["error"]
        assert "a plug-in greets" in captured.err
        write_tiny_csv("fashion-mnist_train.csv", rows=60)
        write_tiny_csv("fashion-mnist_test.csv", rows=20, seed=1)
        words = ["train", "prints", "--data", ".", "--epochs", "1", "--out", "run", "--json"]
        assert run(words) == 0
        json.loads(capfd.readouterr().out)
    (here / "loud_net.py").write_text(PRINTS)
    words = [
        "compare",
        "loud_net.py:Net",
        "linearnet",
        "--seeds",
        "2",
        "--jobs",
        "2",
        "--data",
        ".",
        "--epochs",
        "1",
        "--json",
    ]
    assert run(words) == 0
    captured = capfd.readouterr()
    json.loads(captured.out)
    assert "a batch comes" in captured.err
