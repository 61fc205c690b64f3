"""The pictures of two run folders can be told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from fmnistlab import FashionMNISTCSV
from fmnistlab.experiments.records.pictures import PICTURES, write_pictures
from fmnistlab.training.records.history import EpochRecord, History
from fmnistlab.training.records.predictions import Predictions


def data(name: str) -> FashionMNISTCSV:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    return FashionMNISTCSV.from_arrays(images, np.arange(20) % 10, name=name)


def drawn(folder: Path, run: str, fit: str = "mine, fit part", test: str = "mine") -> list[bytes]:
    folder.mkdir()
    record = EpochRecord(epoch=1, loss=0.5, accuracy=0.8, learning_rate=0.1, seconds=1.0, count=20)
    probabilities = torch.rand(20, 10, generator=torch.Generator().manual_seed(0)).softmax(1)
    predictions = Predictions(probabilities.argmax(1), probabilities)
    made = write_pictures(folder, History([record]), data(fit), data(test), predictions, run=run)
    assert made.names == PICTURES
    assert made.notes == ()
    return [(folder / name).read_bytes() for name in PICTURES]


def differing(one: list[bytes], other: list[bytes]) -> set[str]:
    return {name for name, a, b in zip(PICTURES, one, other, strict=True) if a != b}


def test_pictures_of_a_run_are_no_figures_of_pyplot(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    drawn(tmp_path / "run", "cnn, seed 0")
    assert not plt.get_fignums()


def test_model_seed_and_data_stand_on_the_pictures(tmp_path: Path) -> None:
    cnn = drawn(tmp_path / "cnn", "cnn, seed 0")
    assert differing(cnn, drawn(tmp_path / "again", "cnn, seed 0")) == set()
    of_model = {"curves.png", "mistakes.png", "confusion.png"}
    assert differing(cnn, drawn(tmp_path / "seed", "cnn, seed 1")) == of_model
    other_fit = drawn(tmp_path / "fit", "cnn, seed 0", fit="others, fit part")
    assert differing(cnn, other_fit) == {"curves.png", "samples.png"}
    other_test = drawn(tmp_path / "test", "cnn, seed 0", test="others")
    assert differing(cnn, other_test) == {"mistakes.png", "confusion.png"}
