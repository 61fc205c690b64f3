"""Two runs against each other, and predictions that have to be made again."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fmnistlab.data.content_hash import image_hashes
from fmnistlab.data.source import load_data
from fmnistlab.errors import ConfigurationError, RunFolderError
from fmnistlab.experiments import (
    RunPredictions,
    disagreement,
    read_predictions,
    run_predictions,
)
from fmnistlab.testing import tiny_dataset, write_tiny_csv


def said_of(count: int, seed: int) -> RunPredictions:
    """What a model that guesses says of the tiny data, in an order of its own."""
    data = tiny_dataset(count)
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=random)
    chances = torch.rand((count, 10), generator=random).softmax(dim=1)
    names = torch.from_numpy(image_hashes(data.data.numpy()).copy())
    return RunPredictions(chances.argmax(dim=1), chances, data.targets[order], names[order])


@given(st.integers(1, 60), st.integers(0, 2**31), st.integers(0, 2**31))
def test_counts_are_those_of_each_image_by_its_hash(count: int, one: int, other: int) -> None:
    sides = said_of(count, one), said_of(count, other)
    found = disagreement(*sides)
    keys = [[bytes(name.tolist()) for name in side.images] for side in sides]
    labels, right = (
        [dict(zip(key, what.tolist(), strict=True)) for key, what in zip(keys, whats, strict=True)]
        for whats in ([side.labels for side in sides], [side.correct for side in sides])
    )
    names = list(labels[0])
    assert found.runs.only_one == sum(right[0][name] > right[1][name] for name in names)
    assert found.runs.only_other == sum(right[0][name] < right[1][name] for name in names)
    frame = found.to_frame()
    differing = {name.hex() for name in names if labels[0][name] != labels[1][name]}
    assert {*frame["sha256"]} == differing
    assert (frame["one"] != frame["other"]).all()
    sure = frame["one_probability"] + frame["other_probability"]
    assert (np.diff(sure) <= 1e-6).all()


def test_the_table_is_told_in_words() -> None:
    one, other = said_of(50, 1), said_of(50, 2)
    found = disagreement(one, other, names=("first", "second"))
    runs = found.runs
    for text in (str(found), found.to_markdown(), found._repr_html_()):
        assert "of 50 images" in text
        assert "not how they were trained" in text
    assert f"only first    {runs.only_one:>6}" in str(found)
    assert f"only second   {runs.only_other:>6}" in str(found)
    points = 100 * abs(runs.estimate.value)
    assert points > 0
    ahead = (
        "first is ahead of second"
        if runs.only_one > runs.only_other
        else "second is ahead of first"
    )
    assert f"{ahead} by {points:.2f} points" in str(found)
    back = disagreement(other, one, names=("second", "first"))
    assert str(back).rpartition("images. ")[2] == str(found).rpartition("images. ")[2]
    assert "one" not in str(found).split()


def test_pictures_are_those_of_the_images() -> None:
    data = tiny_dataset(50)
    found = disagreement(said_of(50, 1), said_of(50, 2))
    figure = found.plot(data, 4)
    names = {name.tobytes().hex(): row for row, name in enumerate(image_hashes(data.data.numpy()))}
    for axes, name in zip(figure.axes, found.to_frame()["sha256"], strict=False):
        shown = np.asarray(axes.images[0].get_array()) * 255
        assert np.allclose(shown, data.data[names[name]].numpy(), atol=0.01)
    with pytest.raises(ConfigurationError, match="not the test set"):
        found.plot(tiny_dataset(50, seed=9))


def test_runs_of_other_images_do_not_disagree() -> None:
    with pytest.raises(ConfigurationError, match="different images"):
        disagreement(said_of(50, 1), said_of(49, 1))


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_predictions_that_are_gone_are_made_again_and_told(
    trained_once: Path, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    held = read_predictions(trained_once)
    assert torch.equal(run_predictions(trained_once).probabilities, held.probabilities)
    assert not caplog.messages
    run = shutil.copytree(trained_once, tmp_path / "run")
    file = run / "predictions.safetensors"
    file.unlink() if damage == "gone" else file.write_bytes(file.read_bytes()[:-1])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    again = run_predictions(run, device="cpu")
    assert torch.equal(again.probabilities, held.probabilities)
    assert torch.equal(again.images, held.images)
    assert "Predicted again from the checkpoint" in caplog.messages[0]
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_they_are_not_made_again_from_other_images(
    trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(trained_once, tmp_path / "run")
    (run / "predictions.safetensors").unlink()
    other = write_tiny_csv(tmp_path / "other.csv", rows=80, seed=3)
    monkeypatch.setattr(
        "fmnistlab.experiments.prediction.load_data", lambda **places: load_data(other)
    )
    with pytest.raises(RunFolderError, match="Nor is"):
        run_predictions(run)
