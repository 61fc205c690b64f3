"""What is read from a run folder is refused by file and key, or is what a training wrote."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.run_files import CHECKPOINT, HOSTILE, RECORDS, command, falsify, put
from tests.strategies import byte_edits, changed_json, edited

from fmnistlab.cli.main import run
from fmnistlab.errors import RunFolderError
from fmnistlab.experiments.records.reading import read_config, read_history, read_result

READERS: dict[str, Callable[[Path], Any]] = {
    "config.json": read_config,
    "history.json": read_history,
    "result.json": read_result,
}

NO_FILES = ("missing", "a folder", "a pipe", "a link", "huge")
HOSTILE_FILES = [
    *((file, kind) for file in RECORDS for kind in HOSTILE),
    *(("history.csv", kind) for kind in NO_FILES),  # its content is compared, not read
    *(("predictions.safetensors", kind) for kind in (*NO_FILES, "empty", "cut")),
]


def said_once(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error, after what the commands tell of their progress."""
    *progress, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("fmnistlab: error: ")
    assert not any(word in line for line in progress for word in ("Traceback", "error"))
    return last


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Kind and content of everything in a folder."""
    return {
        path.name: (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.iterdir()
    }


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("file", "kind"), HOSTILE_FILES)
def test_verify_names_a_record_that_is_none(
    file: str, kind: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    HOSTILE[kind](finished / file)
    before = None if kind == "huge" else files_of(finished)
    assert run(command("verify", finished)) == 1
    assert file in said_once(capsys) or (file == "config.json" and kind in ("missing", "a folder"))
    assert before is None or files_of(finished) == before


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["evaluate", "train"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_settings_that_are_none_end_every_command(
    kind: str, name: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(name, finished)
    HOSTILE[kind](finished / "config.json")
    assert run(words) == 1
    assert str(finished) in said_once(capsys)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link", "empty", "deep", "a key twice"])
def test_a_finished_run_without_its_result_is_not_resumed_to_it(
    kind: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    HOSTILE[kind](finished / "result.json")
    assert run(command("train", finished)) == 1
    assert "result.json" in said_once(capsys)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["evaluate", "predict", "verify", "train"])
@pytest.mark.parametrize(
    "kind", ["a folder", "a pipe", "empty", "cut", "huge name", "deep", "a number"]
)
def test_a_checkpoint_that_is_none_ends_every_command(
    kind: str, name: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(name, finished)
    if kind == "huge name":  # a header as long as no file is
        (finished / CHECKPOINT).write_bytes(b"\xff" * 100)
    else:
        HOSTILE[kind](finished / CHECKPOINT)
    assert run([*words, "x.png"] if name == "predict" else words) in (1, 4)
    assert CHECKPOINT in said_once(capsys)


@pytest.mark.parametrize(
    ("file", "place", "value", "said"),
    [
        ("config.json", "seed", -1, "seed: must be from 0 to 9,223,372,036,854,775,807, not -1"),
        ("config.json", "seed", 2**63, "seed: must be from 0 to"),
        ("config.json", "seed", True, "seed: must be a whole number, not True"),
        ("config.json", "split.seed", 2**32, "split.seed: must be from 0 to 4,294,967,295"),
        ("config.json", "split.valid_fraction", 0, "split.valid_fraction: must be above 0"),
        ("config.json", "split.sha256", "0" * 63, "split.sha256: must be 64 hexadecimal digits"),
        ("config.json", "data.test.rows", -3, "data.test.rows: must be from 0"),
        ("config.json", "data.test.rows", "16", "data.test.rows: must be a whole number"),
        ("config.json", "data.fit.fingerprint", "A" * 64, "data.fit.fingerprint: must be 64"),
        ("config.json", "data.source", "a\0b", "data.source: must be"),
        ("config.json", "data.source", "", "data.source: must be"),
        ("config.json", "data.sourc", "x", "unknown key 'sourc'. Did you mean 'source'"),
        ("config.json", "threads", 0, "threads: must be from 1 to 1,024, not 0"),
        ("config.json", "threads", 99999999999999, "threads: must be from 1 to 1,024"),
        ("config.json", "threads", "auto", "threads: must be a whole number"),
        ("config.json", "device", "gpu", "device: must be a device such as"),
        ("config.json", "device", "cpu\n", "device: must be a device such as"),
        (
            "config.json",
            "execution",
            "fast",
            'execution: must be "auto" or "eager" or "recorded"',
        ),
        ("config.json", "started", "yesterday", "started: must be a time"),
        ("config.json", "model", "linearnet", "model: must be an object"),
        ("config.json", "model.options", [], "model.options: must be an object"),
        ("config.json", "machine.deterministic_algorithms", 0, "must be true or false, not 0"),
        ("config.json", "versions.torch", ..., "versions: lacks the key 'torch'"),
        ("config.json", "recipe", [], "recipe: must be an object"),
        ("config.json", "recipe.epochs", ..., "recipe: lacks the key 'epochs'"),
        ("config.json", "recipe.epoch", 1, "unknown key 'epoch'. Did you mean 'epochs'?"),
        ("config.json", "recipe.optimizer", "lion", "recipe.optimizer is 'lion'"),
        ("config.json", "recipe.batch_size", 1.5, "recipe.batch_size: must be a whole number"),
        ("config.json", "recipe.epochs", 0, "recipe.epochs is 0; use a whole number from 1"),
        (
            "config.json",
            "recipe.learning_rate",
            "x",
            "recipe.learning_rate: must be a number",
        ),
        ("config.json", "recipe.optimizer", {}, "recipe.optimizer: must be text, not {}"),
        ("config.json", "recipe.loss", "x", "recipe: has the unknown key 'loss'"),
        ("config.json", "recipe.schedule", [], "recipe.schedule: must be text, not []"),
        ("config.json", "recipe.augmentation", 5, "recipe: augmentation: must be a list"),
        (
            "config.json",
            "recipe.augmentation",
            [5],
            "recipe: augmentation[0]: must be an object",
        ),
        ("config.json", "recipe.augmentation", [{"name": "Fold"}], "recipe: Unknown augmentation"),
        (
            "config.json",
            "recipe.augmentation",
            [{"name": "RandomShift", "pixels": "x"}],
            "recipe: Augmentation RandomShift: pixels: must be a whole number",
        ),
        ("history.json", "epochs.0.loss", "low", "epochs[0].loss: must be a number"),
        ("history.json", "epochs.1.epoch", 3, "the next epoch of this history is 2, not 3"),
        ("history.json", "epochs.0.count", -1, "epochs[0].count: must be from 0"),
        ("history.json", "epochs", {}, "epochs: must be a list"),
        ("result.json", "epochs", 0, "epochs: must be from 1"),
        ("result.json", "seconds", -1, "seconds: must be from 0"),
        ("result.json", "weights_sha256", "", "weights_sha256: must be 64 hexadecimal digits"),
        ("result.json", "weights_sha256", "0" * 65, "weights_sha256: must be 64 hexadecimal"),
        ("result.json", "test.accuracy", 1.5, "test.accuracy: must be from 0 to 1, not 1.5"),
        ("result.json", "test.count", 0, "test.count: must be from 1"),
        ("result.json", "test.accuracy_interval_95", [0.5], "must be a list of 2, not of 1"),
        ("result.json", "validation.accuracy", -0.1, "validation.accuracy: must be from 0 to 1"),
        ("result.json", "classes.3.name", "Sock", "classes[3].name: must be one of T-shirt/top"),
        ("result.json", "classes.3.count", None, "classes[3].count: must be a whole number"),
        ("result.json", "stop_reason", 1, "stop_reason: must be text, not 1"),
        ("result.json", "pictures.0", "../x.png", "pictures[0]: must be a name such as"),
        ("result.json", "pictures.0", "/etc/passwd", "pictures[0]: must be a name such as"),
    ],
    ids=lambda value: str(value)[:30].replace("\0", "NUL"),
)
@pytest.mark.usefixtures("no_checker")
def test_a_value_that_cannot_be_is_named_by_file_and_key(
    file: str, place: str, value: object, said: str, finished: Path
) -> None:
    falsify(finished / file, put(place, value))
    with pytest.raises(RunFolderError) as raised:
        READERS[file](finished)
    assert str(raised.value).startswith(f"{finished / file}: ")
    assert said in str(raised.value)


def read_or_refuse(folder: Path, file: str) -> None:
    with contextlib.suppress(RunFolderError):
        READERS[file](folder)


@given(st.sampled_from(RECORDS), st.data())
def test_any_change_of_a_record_is_read_or_refused(
    trained_once: Path, tmp_path_factory: pytest.TempPathFactory, file: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = json.loads((trained_once / file).read_text())
    (folder / file).write_text(json.dumps(data.draw(changed_json(content))))
    read_or_refuse(folder, file)


@given(st.sampled_from(RECORDS), byte_edits)
def test_any_bytes_of_a_record_are_read_or_refused(
    trained_once: Path,
    tmp_path_factory: pytest.TempPathFactory,
    file: str,
    edits: list[tuple[str, float, int]],
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / file).write_bytes(edited((trained_once / file).read_bytes(), edits))
    read_or_refuse(folder, file)


@pytest.mark.parametrize("file", RECORDS)
def test_what_a_training_wrote_is_read_to_the_last_key(trained_once: Path, file: str) -> None:
    import dataclasses

    read = READERS[file](trained_once)
    written = json.loads((trained_once / file).read_text())
    if file == "history.json":
        assert json.loads(read.to_json()) == written
    else:
        assert json.loads(json.dumps(dataclasses.asdict(read))) == written


def test_a_model_that_is_gone_is_named(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    falsify(finished / "config.json", put("model.name", "linearnot"))
    assert run(["verify", str(finished)]) == 1
    said = capsys.readouterr().out
    assert 'config.json: model.name: "linearnot", but checkpoint.safetensors says' in said
    assert "cannot be repeated: There is no model 'linearnot'" in said


def test_a_run_folder_that_is_a_link_is_read(finished: Path) -> None:
    Path("link").symlink_to(finished, target_is_directory=True)
    assert read_config(Path("link")) == read_config(finished)
    shutil.rmtree(finished)
    with pytest.raises(RunFolderError, match="is missing"):
        read_config(Path("link"))
