"""Each falsification of a run folder is found by file and key, without a training."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.run_files import CHECKPOINT, falsify, falsify_checkpoint, put
from tests.strategies import changed_json

from fmnistlab.errors import RunFolderError
from fmnistlab.experiments.records.config import RunConfig
from fmnistlab.experiments.records.consistency import inconsistencies
from fmnistlab.experiments.records.finished_run import FinishedRun, read_finished_run
from fmnistlab.experiments.records.reading import read_config, read_history, read_result
from fmnistlab.experiments.records.repetition import compare_runs
from fmnistlab.experiments.records.result import RunResult


@pytest.fixture(scope="session")
def whole(trained_once: Path) -> FinishedRun:
    """What the untouched run folder holds."""
    return read_finished_run(trained_once)


def differences(run: FinishedRun, whole: FinishedRun) -> tuple[str, ...]:
    return (*inconsistencies(run), *compare_runs(run, whole, ended_early=False).differences)


def bits(record: RunConfig | RunResult) -> str:
    """The record as text, which tells 0 from 0.0 and from -0.0."""
    return json.dumps(dataclasses.asdict(record))


def test_a_run_that_nobody_has_touched_holds_together(whole: FinishedRun) -> None:
    assert inconsistencies(whole) == ()
    comparison = compare_runs(whole, whole, ended_early=False)
    assert comparison.differences == ()
    assert comparison.compared[:2] == ("data and split", "2 epochs")
    assert "24 tensors" in comparison.compared[2]
    assert comparison.compared[3].endswith("values of result.json")


OF_THE_FILES: list[tuple[str, str, object, str]] = [
    ("config.json", "seed", 1, "config.json: seed: 1, but checkpoint.safetensors says 0"),
    ("config.json", "execution", "eager", 'config.json: execution: "eager", but checkpoint'),
    ("config.json", "recipe.batch_size", 8, "config.json: recipe.batch_size: 8, but checkpoint"),
    ("config.json", "recipe.schedule", "cosine", "config.json: recipe.schedule: "),
    ("config.json", "model.name", "cnn", 'config.json: model.name: "cnn", but checkpoint'),
    ("config.json", "model.options", {"x": 1}, "config.json: model.options.x: 1, but checkpoint"),
    ("config.json", "recipe.epochs", 3, "result.json: stop_reason: None, but config.json says 3"),
    ("config.json", "recipe.epochs", 1, "result.json: stop_reason: None, but config.json says 1"),
    ("config.json", "data.fit.rows", 50, "history.json: epoch 1: count: 51, but config.json says"),
    ("config.json", "data.valid.rows", 3, "history.json: epoch 2: val_count: 13, but config.json"),
    ("config.json", "data.test.rows", 15, "result.json: test.count: 16, but config.json says 15"),
    ("history.json", "epochs.1.loss", 0.5, "history.json: epoch 2: loss: 0.5, but checkpoint"),
    ("history.json", "epochs.0.val_loss", 0.5, "history.json: epoch 1: val_loss: 0.5, but"),
    ("history.json", "epochs.0.seconds", 9.5, "history.json: epoch 1: seconds: 9.5, but"),
    ("history.json", "epochs.1", ..., "history.json: number of epochs: 1, but checkpoint"),
    ("history.json", "epochs.0.accuracy", 0.5, "history.csv: line 2: is not what history.json"),
    ("result.json", "model", "cnn", 'result.json: model: "cnn", but config.json says'),
    ("result.json", "seed", 3, "result.json: seed: 3, but config.json says 0"),
    ("result.json", "parameters", 1, "result.json: parameters: 1, but checkpoint"),
    ("result.json", "weights_sha256", "0" * 64, "result.json: weights_sha256: "),
    ("result.json", "epochs", 1, "result.json: epochs: 1, but history.json says 2"),
    ("result.json", "validation.loss", 0.5, "result.json: validation.loss: 0.5, but history.json"),
    ("result.json", "validation.count", None, "result.json: validation.count: None, but history"),
    ("result.json", "test.count", 17, "result.json: test.count: 17, but config.json says 16"),
    ("result.json", "test.accuracy", 0.33, "result.json: test.accuracy: 0.33 of 16 images is no"),
    ("result.json", "test.accuracy", 0.75, "result.json: test.accuracy_interval_95: "),
    ("result.json", "test.accuracy_interval_95.0", 0.1, "result.json: test.accuracy_interval_95: "),
    ("result.json", "classes.1.count", 3, "result.json: classes: have"),
    ("result.json", "classes.1.recall", 0.3, "result.json: classes[1].recall: 0.3 of"),
    ("result.json", "classes.1.recall", None, "result.json: classes[1].recall: None of"),
    (
        "result.json",
        "classes.1.recall_interval.0",
        0.007,
        "result.json: classes[1].recall_interval: ",
    ),
    ("result.json", "classes.1.name", "Bag", "result.json: classes: must be T-shirt/top, Trouser"),
    ("result.json", "classes.9", ..., "result.json: classes: must be T-shirt/top, Trouser"),
    ("result.json", "pictures.0", ..., "result.json: pictures: curves.png is in the folder"),
    ("result.json", "pictures.0", "nothing.png", "nothing.png: cannot be read: No such file"),
    ("result.json", "pictures.1", "curves.png", "result.json: pictures: curves.png is named twice"),
]


@pytest.mark.parametrize(("file", "place", "value", "said"), OF_THE_FILES, ids=str)
def test_files_that_contradict_each_other_are_named(
    file: str, place: str, value: object, said: str, finished: Path
) -> None:
    falsify(finished / file, put(place, value))
    found = inconsistencies(read_finished_run(finished))
    assert any(sentence.startswith(said) for sentence in found), found


def test_a_class_table_that_says_more_than_the_accuracy_is_named(finished: Path) -> None:
    def all_right(result: dict[str, Any]) -> None:
        for record in result["classes"]:
            record["recall"] = 1.0
            record["recall_interval"] = [0.0, 1.0]

    falsify(finished / "result.json", all_right)
    found = inconsistencies(read_finished_run(finished))
    assert any("recall_interval" in sentence for sentence in found)


OF_THE_REPETITION: list[tuple[str, str, object, str]] = [
    ("config.json", "data.fit.fingerprint", "0" * 64, "config.json: data.fit.fingerprint: "),
    ("config.json", "data.test.fingerprint", "0" * 64, "config.json: data.test.fingerprint: "),
    ("config.json", "split.sha256", "0" * 64, "config.json: split.sha256: "),
    ("history.json", "epochs.1.loss", 0.5, "history.json: epoch 2: loss: 0.5 recorded, "),
    ("history.json", "epochs.1", ..., "history.json: number of epochs: 1 recorded, 2 repeated"),
    ("result.json", "test.loss", 0.5, "result.json: test.loss: 0.5 recorded, "),
    ("result.json", "test.loss", None, "result.json: test.loss: None recorded, "),
    ("result.json", "classes.3.precision", 0.125, "result.json: classes[3].precision: 0.125 rec"),
    ("result.json", "classes.3.f1", 0.125, "result.json: classes[3].f1: 0.125 recorded, "),
    ("result.json", "stop_reason", "tired", 'result.json: stop_reason: "tired" recorded, None'),
    ("result.json", "parameters", 1, "result.json: parameters: 1 recorded, 218058 repeated"),
]


@pytest.mark.parametrize("case", OF_THE_REPETITION, ids=str)
def test_what_is_not_repeated_is_named(
    case: tuple[str, str, object, str], finished: Path, whole: FinishedRun
) -> None:
    file, place, value, said = case
    falsify(finished / file, put(place, value))
    found = compare_runs(read_finished_run(finished), whole, ended_early=False).differences
    assert any(sentence.startswith(said) for sentence in found), found


def zeros(name: str) -> Callable[[dict[str, torch.Tensor], dict[str, Any]], None]:
    def change(tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        key = next(key for key in sorted(tensors) if key.startswith(name))
        tensors[key] = torch.zeros_like(tensors[key])

    return change


def one_bit(tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
    key = next(key for key in sorted(tensors) if key.startswith("model/"))
    tensors[key].view(torch.int32).view(-1)[5] ^= 1


def of_state(place: str, value: object) -> Callable[[Any, Any], None]:
    return lambda _tensors, state: put(place, value)(state)


def other_history(tensors: object, state: dict[str, Any]) -> None:
    history = json.loads(state["history"])
    history["epochs"][1]["loss"] = 0.5
    state["history"] = json.dumps(history)


@pytest.mark.parametrize(
    ("change", "said", "inside"),
    [
        (zeros("model/"), "checkpoint.safetensors: tensor model/", True),
        (one_bit, "numbers recorded, 1 others repeated", True),
        (zeros("optimizer/"), "checkpoint.safetensors: tensor optimizer/", False),
        (
            lambda tensors, _: tensors.update({"optimizer/99.x": torch.zeros(3)}),
            "tensor optimizer/99.x: float32 [3] recorded, nothing repeated",
            False,
        ),
        (of_state("step", 99), "checkpoint.safetensors: step: 99 recorded, 4 repeated", False),
        (of_state("seed", 5), "checkpoint.safetensors: seed: 5 recorded, 0 repeated", True),
        (
            of_state("optimizer.state.param_groups.0.lr", 0.5),
            "optimizer.state.param_groups[0].lr: 0.5 recorded",
            False,
        ),
        (of_state("model.class", "CNN"), 'model.class: "CNN" recorded', False),
        (other_history, "checkpoint.safetensors: epoch 2: loss: 0.5 recorded", True),
    ],
)
def test_a_falsified_checkpoint_with_the_right_hash_is_named(
    change: Callable[[Any, Any], object],
    said: str,
    inside: bool,
    finished: Path,
    whole: FinishedRun,
) -> None:
    falsify_checkpoint(finished, change)
    run = read_finished_run(finished)
    found = compare_runs(run, whole, ended_early=False).differences
    assert any(said in sentence for sentence in found), found
    assert bool(inconsistencies(run)) == inside


def test_a_tensor_of_another_type_is_another_tensor(finished: Path, whole: FinishedRun) -> None:
    def wider(tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        name = next(name for name in sorted(tensors) if name.endswith("bias"))
        tensors[name] = tensors[name].double()

    falsify_checkpoint(finished, wider)
    (found,) = compare_runs(read_finished_run(finished), whole, ended_early=False).differences
    assert "float64" in found
    assert "float32" in found


def test_tensors_are_compared_bit_by_bit(whole: FinishedRun) -> None:
    def run(**tensors: torch.Tensor) -> FinishedRun:
        return dataclasses.replace(whole, saved=dataclasses.replace(whole.saved, tensors=tensors))

    def found(one: torch.Tensor, other: torch.Tensor) -> tuple[str, ...]:
        return compare_runs(run(x=one), run(x=other), ended_early=False).differences

    zeros, empty = torch.zeros(2, 3), torch.zeros(0, 3)
    assert found(zeros, -zeros) == (
        f"{CHECKPOINT}: tensor x: 6 numbers recorded, 6 others repeated",
    )
    assert found(zeros * torch.nan, zeros * torch.nan) == ()
    assert found(empty, empty) == ()
    assert found(torch.tensor(True), torch.tensor(True)) == ()
    assert len(found(zeros, zeros.T)) == 1
    assert len(found(empty, zeros)) == 1


def test_the_environment_of_a_checkpoint_is_not_compared(
    finished: Path, whole: FinishedRun
) -> None:
    falsify_checkpoint(finished, of_state("environment.torch", "1.0"))
    assert differences(read_finished_run(finished), whole) == ()


def test_after_an_early_end_only_epochs_and_data_are_compared(
    finished: Path, whole: FinishedRun
) -> None:
    falsify(finished / "result.json", put("test.loss", 0.5))
    falsify(finished / "history.json", put("epochs.0.loss", 0.5))
    run = read_finished_run(finished)
    comparison = compare_runs(run, whole, ended_early=True)
    assert [sentence.split(":")[0] for sentence in comparison.differences] == ["history.json"]
    assert comparison.compared == ("data and split", "2 epochs")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (lambda text: b"", 1),
        (lambda text: b"garbage", 1),
        (lambda text: text.replace(b"0.", b"1.", 1), 2),
        (lambda text: text.rstrip(b"\n"), 3),
        (lambda text: text + b"3,\n", 4),
        (lambda text: text.replace(b"\n", b"\r\n"), 1),
        (lambda text: b"\xff" + text, 1),
    ],
)
def test_a_table_that_is_not_the_history_is_named_with_its_line(
    content: Callable[[bytes], bytes], line: int, finished: Path
) -> None:
    path = finished / "history.csv"
    path.write_bytes(content(path.read_bytes()))
    found = inconsistencies(read_finished_run(finished))
    assert found == (f"history.csv: line {line}: is not what history.json says",)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file"),
        (lambda path: path.write_bytes(b""), "is no whole PNG file"),
        (lambda path: path.write_bytes(b"GIF89a" + path.read_bytes()[6:]), "is no whole PNG file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is no whole PNG file"),
        (
            lambda path: path.write_bytes(
                path.read_bytes()[:16] + bytes(4) + path.read_bytes()[20:]
            ),
            "says that it has no pixels",
        ),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read: it is a folder"),
        (
            lambda path: (path.rename("x.png"), path.symlink_to(Path("x.png").resolve())),
            "cannot be read: it is a link",
        ),
    ],
)
def test_a_picture_that_is_none_is_named(
    spoil: Callable[[Path], object], said: str, finished: Path
) -> None:
    spoil(finished / "mistakes.png")
    (found,) = inconsistencies(read_finished_run(finished))
    assert found.startswith(f"mistakes.png: {said}")


def test_a_run_without_pictures_holds_together(finished: Path) -> None:
    falsify(finished / "result.json", put("pictures", []))
    for picture in finished.glob("*.png"):
        picture.unlink()
    assert inconsistencies(read_finished_run(finished)) == ()


def test_other_pictures_in_the_folder_are_nobodys_business(finished: Path) -> None:
    (finished / "predictions.png").write_bytes(b"x")
    assert inconsistencies(read_finished_run(finished)) == ()


@given(st.sampled_from(["history.json", "result.json"]), st.data())
def test_no_changed_value_of_history_or_result_goes_unnoticed(
    whole: FinishedRun,
    tmp_path_factory: pytest.TempPathFactory,
    file: str,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = json.loads((whole.path / file).read_text())
    (folder / file).write_text(json.dumps(data.draw(changed_json(content))))
    try:
        if file == "result.json":
            result = read_result(folder)
            run = dataclasses.replace(whole, result=result)
            timed = dataclasses.replace(result, seconds=whole.result.seconds)
            same = bits(timed) == bits(whole.result)
        else:
            run = dataclasses.replace(whole, history=read_history(folder))
            same = run.history == whole.history
    except RunFolderError:
        return
    assert bool(differences(run, whole)) is not same


@given(st.data())
def test_any_settings_that_can_be_read_can_be_compared(
    whole: FinishedRun, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = json.loads((whole.path / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(data.draw(changed_json(content))))
    try:
        config = read_config(folder)
    except RunFolderError:
        return
    free = ("started", "device", "threads", "versions", "machine")
    unchanged = {name: getattr(whole.config, name) for name in free}
    same = bits(dataclasses.replace(config, **unchanged)) == bits(whole.config)
    found = differences(dataclasses.replace(whole, config=config), whole)
    assert same <= (not found)


def test_the_checkpoint_may_not_be_a_link(finished: Path) -> None:
    from fmnistlab.errors import CheckpointError

    path = finished / CHECKPOINT
    path.rename("elsewhere")
    path.symlink_to(Path("elsewhere").resolve())
    with pytest.raises(CheckpointError, match="a link, which is not followed"):
        read_finished_run(finished)
