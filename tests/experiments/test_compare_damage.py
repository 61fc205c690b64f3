"""Damaged run folders in a comparison: mended from what is whole, or told; the others unharmed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.comparisons import contents, facts, small, words
from tests.run_files import HOSTILE

from fmnistlab.cli.main import run
from fmnistlab.experiments.sweep.plan import missing_tasks
from fmnistlab.experiments.sweep.task import Task
from fmnistlab.testing import write_tiny_csv

pytestmark = pytest.mark.usefixtures("two_models")


def hurt_run(out: Path) -> Path:
    """Returns one of its run folders."""
    (folder,) = (out / "runs").glob("one-s1-*")
    return folder


def others(out: Path) -> dict[str, tuple[bytes, int]]:
    """Returns the content of all other run folders."""
    return contents(out / "runs", but=hurt_run(out))


def flip(path: Path) -> None:
    """Changes a bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


MENDED = {name: HOSTILE[name] for name in ("missing", "empty", "cut")} | {"a bit": flip}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("kind", MENDED)
def test_damaged_predictions_are_made_again_from_the_checkpoint(
    out: Path,
    kind: str,
    jobs: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, kept = facts(out), others(out)
    checkpoint = (hurt_run(out) / "checkpoint.safetensors").stat()
    MENDED[kind](hurt_run(out) / "predictions.safetensors")
    found = small(out, "one", "other", n_jobs=jobs)
    (told,) = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert told.startswith(str(hurt_run(out) / "predictions.safetensors"))
    assert told.endswith("Predicted again from the checkpoint: the same bits.")
    assert not found.failures
    assert facts(out) == before
    assert others(out) == kept
    after = (hurt_run(out) / "checkpoint.safetensors").stat()
    assert (after.st_ino, after.st_mtime_ns) == (checkpoint.st_ino, checkpoint.st_mtime_ns)


@pytest.mark.parametrize("kind", MENDED)
def test_with_a_damaged_checkpoint_too_the_run_has_failed_and_says_why(
    out: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = others(out)
    hurt = hurt_run(out)
    (hurt / "predictions.safetensors").unlink()
    MENDED[kind](hurt / "checkpoint.safetensors")
    code = run(words(out, "one", "other"))
    said = capsys.readouterr().out
    assert others(out) == kept
    if kind == "missing":  # then it is no finished run, and is trained again
        assert code == 0
        assert "failed" not in said
    else:
        assert code == 1
        assert f"one, seed 1, failed: CheckpointDamagedError: {hurt}" in said


def test_a_damaged_checkpoint_alone_harms_no_comparison(out: Path) -> None:
    before = (out / "comparison.json").read_bytes()
    flip(hurt_run(out) / "checkpoint.safetensors")
    assert not small(out, "one", "other").failures
    assert (out / "comparison.json").read_bytes() == before


def test_predictions_that_the_checkpoint_does_not_make_are_not_replaced(out: Path) -> None:
    """The result is of another training: which of the three is right cannot be known."""
    hurt, another = hurt_run(out), next((out / "runs").glob("one-s0-*"))
    shutil.copy(another / "checkpoint.safetensors", hurt / "checkpoint.safetensors")
    flip(hurt / "predictions.safetensors")
    before = contents(hurt)
    (failure,) = small(out, "one", "other").failures
    assert "predictions.safetensors: damaged" in str(failure.reason)
    assert contents(hurt) == before


def test_a_run_folder_that_stands_in_for_another_is_no_run_of_its_seed(out: Path) -> None:
    hurt, another = hurt_run(out), next((out / "runs").glob("one-s0-*"))
    shutil.rmtree(hurt)
    shutil.copytree(another, hurt)
    (failure,) = small(out, "one", "other").failures
    assert f"{hurt}: holds a training with another seed: 0, and not 1" in str(failure.reason)
    assert small(out, "one", "other").variants[0].seeds == (0,)
    shutil.rmtree(hurt)
    shutil.copytree(next((out / "runs").glob("other-s1-*")), hurt)
    (failure,) = small(out, "one", "other").failures
    assert 'another model.name: "other", and not "one"' in str(failure.reason)


@pytest.mark.parametrize("left", ["a lock", "checkpoints"])
def test_what_an_end_left_in_a_finished_run_is_removed(out: Path, left: str) -> None:
    """A killed process leaves its lock, and one that was asked to end may leave checkpoints."""
    before, hurt = facts(out), hurt_run(out)
    kept = {path: path.stat().st_ino for path in hurt.iterdir()}
    if left == "a lock":
        (hurt / ".fmnistlab.lock").touch()
        (hurt / ".predictions.safetensors.0123abcd.tmp").write_bytes(b"half")
    else:
        (hurt / "checkpoints").mkdir()
        for name in ("step-00000003.safetensors", ".step-00000006.safetensors.0123abcd.tmp"):
            shutil.copy(hurt / "checkpoint.safetensors", hurt / "checkpoints" / name)
    assert not small(out, "one", "other").failures
    assert facts(out) == before
    assert {path: path.stat().st_ino for path in hurt.iterdir()} == kept


AGAIN = {"config.json": (), "history.json": (), "result.json": ("missing",)}
"""Records, and what makes a run one that is not finished."""


@pytest.mark.parametrize("record", AGAIN)
def test_a_falsified_record_is_a_failed_run_and_harms_no_other(out: Path, record: str) -> None:
    whole = out.rename(out.parent / "whole")
    for kind, change in HOSTILE.items():
        if record == "history.json" and kind in (
            "of a newer format",
            "without a format",
            "with another key",
        ):
            continue  # it is a list
        shutil.copytree(whole, out)
        kept = others(out)
        change(hurt_run(out) / record)
        failures = small(out, "one", "other").failures
        assert others(out) == kept, kind
        if kind in AGAIN[record]:
            assert not failures, kind
        else:
            ((variant, seed, reason),) = [(f.variant, f.seed, f.reason) for f in failures]
            assert (variant, seed) == ("one", 1), kind
            assert str(hurt_run(out)) in str(reason), kind
        shutil.rmtree(out)


def foreign_file(hurt: Path) -> None:
    shutil.rmtree(hurt)
    hurt.mkdir()
    (hurt / "notes.txt").write_text("mine")


def file_in_its_place(hurt: Path) -> None:
    shutil.rmtree(hurt)
    hurt.write_text("mine")


def link_to_itself(hurt: Path) -> None:
    shutil.rmtree(hurt)
    hurt.symlink_to(hurt)


FOREIGN: dict[str, Callable[[Path], None]] = {
    "a folder of something else": foreign_file,
    "a file": file_in_its_place,
    "a link to itself": link_to_itself,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_stands_in_the_place_of_a_run_folder_is_not_touched(out: Path, kind: str) -> None:
    FOREIGN[kind](hurt_run(out))
    before = contents(out / "runs")
    (failure,) = small(out, "one", "other").failures
    assert str(hurt_run(out)) in str(failure.reason)
    assert contents(out / "runs") == before


def test_data_that_changes_while_runs_are_made_is_told_for_each_of_them(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan has read the data; the file is another one when the first run reads it."""

    def change(*given: Any) -> list[Task]:
        write_tiny_csv(here / "tiny.csv", rows=120, seed=1)
        return missing_tasks(*given)

    with monkeypatch.context() as patched:
        patched.setattr("fmnistlab.experiments.comparison.compare.missing_tasks", change)
        found = small(here / "out", "one", "other")
    assert len(found.failures) == 4
    for run_ in found.failures:
        assert "fit set is not what it was when the trainings were planned" in str(run_.reason)
    write_tiny_csv(here / "tiny.csv", rows=120)
    assert not small(here / "out", "one", "other").failures
