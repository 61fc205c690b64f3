"""What a run says of each test image: kept whole, under a hash, and held to the result."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.run_files import falsify, put
from tests.strategies import byte_edits, edited

from fmnistlab import Trainer, load_data
from fmnistlab.errors import RunFolderError
from fmnistlab.experiments import read_predictions, read_result
from fmnistlab.experiments.records.consistency import inconsistencies
from fmnistlab.experiments.records.finished_run import read_finished_run
from fmnistlab.experiments.records.predictions import (
    RunPredictions,
    content_sha256,
    in_order_of_images,
)
from fmnistlab.experiments.records.repetition import compare_runs

FILE = "predictions.safetensors"


def replace(run: Path, **tensors: torch.Tensor) -> None:
    """Puts other tensors into the file, with a hash in the result that is right."""
    held = {**safetensors.torch.load((run / FILE).read_bytes()), **tensors}
    content = safetensors.torch.save(held)
    (run / FILE).write_bytes(content)
    falsify(run / "result.json", put("predictions_sha256", content_sha256(content)))


def test_they_are_what_the_checkpoint_predicts(trained_once: Path) -> None:
    found = read_predictions(trained_once)
    tested = read_result(trained_once).test
    assert tested is not None
    assert len(found.labels) == tested.count == 16
    assert float(found.correct.float().mean()) == pytest.approx(tested.accuracy)
    _, test = load_data(trained_once.parent / "tiny.csv")
    again = Trainer.load(trained_once / "checkpoint.safetensors").predict(test)
    assert torch.equal(again.labels, found.labels)
    assert torch.equal(again.probabilities, found.probabilities)
    assert torch.equal(test.targets, found.targets)
    pixels = test.data[5].numpy().tobytes()
    assert bytes(found.images[5].tolist()) == hashlib.sha256(pixels).digest()


@given(byte_edits)
def test_damage_is_noticed(
    trained_once: Path,
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[tuple[str, float, int]],
) -> None:
    content = (trained_once / FILE).read_bytes()
    changed = edited(content, edits)
    folder = tmp_path_factory.getbasetemp() / "damaged"
    shutil.copytree(trained_once, folder, dirs_exist_ok=True)
    (folder / FILE).write_bytes(changed)
    if changed == content:
        read_predictions(folder)
        return
    with pytest.raises(RunFolderError, match="damaged: its SHA-256"):
        read_predictions(folder)


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("labels", torch.zeros(15, dtype=torch.uint8), "probabilities has the shape"),
        ("labels", torch.full((16,), 10, dtype=torch.uint8), "labels must be from 0 to 9"),
        ("targets", torch.zeros(16, 2, dtype=torch.uint8), "targets has the shape"),
        ("targets", torch.full((16,), 255, dtype=torch.uint8), "targets must be from 0 to 9"),
        ("images", torch.zeros(16, 31, dtype=torch.uint8), "images has the shape"),
        ("probabilities", torch.zeros(16, 9), "probabilities has the shape"),
        ("probabilities", torch.full((16, 10), 1.5), "probabilities must be from 0 to 1"),
        ("probabilities", torch.zeros(16, 10, dtype=torch.float64), "probabilities are float64"),
        ("labels", torch.zeros(16), "labels are float32"),
    ],
)
def test_tensors_that_no_training_writes_are_refused(
    name: str, tensor: torch.Tensor, said: str, finished: Path
) -> None:
    replace(finished, **{name: tensor})
    with pytest.raises(RunFolderError, match=said):
        read_predictions(finished)


def test_a_file_of_another_kind_is_refused(finished: Path) -> None:
    (finished / FILE).write_bytes(b"no tensors")
    falsify(finished / "result.json", put("predictions_sha256", content_sha256(b"no tensors")))
    with pytest.raises(RunFolderError, match="holds no predictions"):
        read_predictions(finished)


def test_falsified_predictions_contradict_the_result(finished: Path) -> None:
    held = read_predictions(finished)
    replace(finished, labels=((held.labels + 1) % 10).to(torch.uint8))
    found = inconsistencies(read_finished_run(finished))
    assert any(f"{FILE}: 16 labels are not the most probable class" in line for line in found)
    assert any(line.startswith(f"{FILE}: ") and ".right: " in line for line in found)


def test_other_bits_are_no_match(finished: Path, trained_once: Path) -> None:
    held = read_predictions(finished)
    images = held.images.clone()
    images[3, 7] ^= 1
    replace(finished, images=images)
    whole = read_finished_run(trained_once)
    found = compare_runs(read_finished_run(finished), whole, ended_early=False).differences
    assert any(line.startswith(f"{FILE}: tensor images: 512 numbers") for line in found)


@given(st.permutations(range(12)), st.data())
def test_the_order_of_images_does_not_depend_on_that_of_the_rows(
    order: list[int], data: st.DataObject
) -> None:
    """Also where two images are the same and only their labels differ."""
    names = data.draw(st.lists(st.integers(0, 3), min_size=12, max_size=12))
    classes = data.draw(st.lists(st.integers(0, 9), min_size=12, max_size=12))
    images = torch.zeros(12, 32, dtype=torch.uint8)
    images[:, 31] = torch.tensor(names, dtype=torch.uint8)
    targets = torch.tensor(classes)

    def held(rows: list[int]) -> RunPredictions:
        chosen = torch.tensor(rows)
        return RunPredictions(targets[chosen], torch.zeros(12, 10), targets[chosen], images[chosen])

    one, other = held(list(range(12))), held(order)
    for part in ("images", "targets"):
        mine = getattr(one, part).numpy()[in_order_of_images(one)]
        theirs = getattr(other, part).numpy()[in_order_of_images(other)]
        assert np.array_equal(mine, theirs)
