"""The page of a run: its numbers are those of the run, and no text in it acts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from tests.html_page import HOSTILE
from tests.reporting.pages import Page, read
from tests.run_files import falsify, falsify_checkpoint, put

import fmnistlab
from fmnistlab.errors import CheckpointError, RunFolderError
from fmnistlab.experiments import read_history, read_predictions, read_result, run_experiment
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.testing import write_tiny_csv
from fmnistlab.training.recipes.recipe import Recipe


@pytest.fixture(scope="module")
def page(trained_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return read(fmnistlab.report(trained_once, tmp_path_factory.mktemp("report") / "run.html"))


def test_its_numbers_are_those_of_the_run(trained_once: Path, page: Page) -> None:
    found, result = read_predictions(trained_once), read_result(trained_once)
    true, predicted = found.targets.numpy(), found.labels.numpy()
    assert result.test is not None
    assert f"accuracy {result.test.accuracy:.4f}" in page.text
    low, high = result.test.accuracy_interval_95
    assert f"{low:.4f} to {high:.4f}" in page.text
    shown = [[int(cell) for cell in row[1:]] for row in page.tables["Confusion matrix"][1:]]
    assert shown == confusion_matrix(true, predicted, labels=range(10)).tolist()
    assert shown == page.numbers["confusion"]
    scores = precision_recall_fscore_support(
        true, predicted, labels=range(10), zero_division=np.nan
    )
    for label, row in enumerate(page.tables["Scores by class"][1:]):
        for score, cell in zip(scores[:3], row[1:4], strict=True):
            value = float(score[label])
            assert cell.startswith("\N{EN DASH}" if np.isnan(value) else f"{value:.4f}")
    epochs = page.tables["Every epoch"][1:]
    for record, row in zip(read_history(trained_once), epochs, strict=True):
        assert row[1:3] == [f"{record.loss:.4f}", f"{record.accuracy:.4f}"]
    assert page.numbers["result"] == json.loads((trained_once / "result.json").read_text())


def test_every_mistake_is_there_twice_the_most_confident_first(
    trained_once: Path, page: Page
) -> None:
    found = read_predictions(trained_once)
    wrong = (~found.correct).nonzero().flatten().tolist()
    confidence = {
        bytes(found.images[row].tolist()).hex()[:8]: float(found.probabilities[row].max())
        for row in wrong
    }
    assert wrong, "the run of the tests is to make mistakes"
    told = [name for name, *_ in page.numbers["mistakes"]]
    assert sorted(told, key=lambda name: -confidence[name]) == told
    labels = page.attributes("aria-label")
    for name in confidence:
        assert labels.count(f"image {name}") == 2  # in the gallery and in its cell


def test_every_cell_that_is_not_empty_opens(page: Page) -> None:
    filled = sum(count > 0 for row in page.numbers["confusion"] for count in row)
    opening = [
        found
        for tag, found in page.elements
        if tag == "button" and "popovertarget" in found and "popovertargetaction" not in found
    ]
    assert len(opening) == filled == len(set(page.attributes("popovertarget")))
    assert sum("popover" in found for _, found in page.elements) == filled


def test_the_same_input_gives_the_same_bytes(finished: Path, here: Path) -> None:
    one = fmnistlab.report(finished)
    assert one == finished / "report.html"
    first = one.read_bytes()
    other = fmnistlab.report(str(finished), "other.html")
    assert other.read_bytes() == first
    os.utime(finished / "result.json", (0, 0))
    one.write_text("an old report")
    assert fmnistlab.report(finished).read_bytes() == first
    assert {path.name for path in here.iterdir()} == {"run", "other.html"}


def test_predictions_that_are_lost_are_made_anew(finished: Path) -> None:
    before = read(fmnistlab.report(finished))
    for damage in (b"", None):
        if damage is None:
            (finished / "predictions.safetensors").unlink()
        else:
            (finished / "predictions.safetensors").write_bytes(damage)
        page = read(fmnistlab.report(finished))
        assert "made anew from the checkpoint" in page.text
        assert page.numbers["confusion"] == before.numbers["confusion"]
        assert page.numbers["mistakes"] == before.numbers["mistakes"]


def test_without_the_data_there_are_no_pictures_but_all_numbers(finished: Path) -> None:
    falsify(finished / "config.json", put("data.source", str(finished / "gone.csv")))
    page = read(fmnistlab.report(finished))
    assert "There are no pictures" in page.text
    assert "gone.csv" in page.text
    assert len(page.tables["Confusion matrix"]) == 11
    assert not [found for tag, found in page.elements if tag == "i"]


def test_other_data_has_no_such_images(finished: Path, here: Path) -> None:
    other = write_tiny_csv(here / "other.csv", rows=80, seed=7)
    falsify(finished / "config.json", put("data.source", str(other)))
    assert "16 of 16 images are no longer in the data" in read(fmnistlab.report(finished)).text


def test_a_model_that_is_not_installed_has_no_layers(finished: Path) -> None:
    def forget(_tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        state["model"]["reference"]["name"] = "gone.py:Net"

    falsify_checkpoint(finished, forget)
    page = read(fmnistlab.report(finished))
    assert "The layers are not listed" in page.text
    assert "Layers, in the order in which they are called" not in page.tables
    named = read(fmnistlab.report(finished, model="linearnet"))
    assert "Layers, in the order in which they are called" in named.tables
    (finished / "predictions.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"a model of gone\.py:Net.*name it yourself"):
        fmnistlab.report(finished)
    assert "made anew" in read(fmnistlab.report(finished, model="linearnet")).text


def test_text_from_outside_stays_text(finished: Path) -> None:
    falsify(finished / "config.json", put("model.name", HOSTILE))
    falsify(finished / "config.json", put("model.options", {HOSTILE: HOSTILE}))
    falsify(finished / "config.json", put("versions.torch", HOSTILE))
    falsify(finished / "config.json", put("machine.device", "'\"><img src=x onerror=alert(1)>"))
    falsify(finished / "result.json", put("model", HOSTILE))
    falsify(finished / "result.json", put("stop_reason", f"</script>{HOSTILE}"))
    path = fmnistlab.report(finished)
    page = read(path)
    content = path.read_text("utf-8")
    assert "\x1b" not in content
    assert "\u202e" not in content
    assert len(page.scripts) == 2, "a script came in"
    assert "img" not in {tag for tag, _ in page.elements}
    assert "<script>alert(1)</script>" in page.text
    assert page.numbers["result"]["model"] == HOSTILE


def test_augmentation_is_shown_as_the_training_saw_it(here: Path) -> None:
    data = write_tiny_csv(here / "tiny.csv", rows=80)
    recipe = Recipe.from_dict(
        Recipe(epochs=1).to_dict() | {"augmentation": [{"name": "RandomShift", "pixels": 3}]}
    )
    run = run_experiment(
        ExperimentConfig(model="linearnet", data=data, recipe=recipe, out=here / "run")
    )
    page = read(fmnistlab.report(run))
    rows = page.tables["Training images, changed"]
    assert len(rows) == 11
    assert rows[0][2] == "epoch 1"
    assert "RandomShift" in page.text


def test_noise_and_many_mistakes_keep_within_the_limit(here: Path, trained_once: Path) -> None:
    """Noise cannot be compressed, so fewer mistakes have room."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (8000, 28, 28), dtype=np.uint8)
    labels = generator.integers(0, 10, 8000).astype(np.int64)
    data = fmnistlab.FashionMNISTCSV.from_arrays(images, labels)
    data.to_csv(here / "noise.csv")
    run = run_experiment(
        "linearnet", data=here / "noise.csv", recipe=Recipe(epochs=1), out=here / "run"
    )
    page = read(fmnistlab.report(run))
    wrong = 1600 - sum(page.numbers["confusion"][k][k] for k in range(10))
    assert 300 < len(page.numbers["mistakes"]) < wrong
    assert f"the {len(page.numbers['mistakes']):,} most confident" in page.text


@pytest.mark.parametrize(
    ("source", "said"), [("nothing", "there is no such run folder"), (".", "not the folder of a")]
)
def test_what_is_no_run_is_refused(here: Path, source: str, said: str) -> None:
    with pytest.raises(RunFolderError, match=said):
        fmnistlab.report(source)


def test_a_report_is_not_written_through_a_link_or_over_a_folder(finished: Path) -> None:
    (finished / "report.html").mkdir()
    with pytest.raises(OSError, match="folder"):
        fmnistlab.report(finished)


def test_a_run_without_validation_or_finite_losses(finished: Path) -> None:
    def change(content: dict[str, object]) -> None:
        for epoch in content["epochs"]:  # type: ignore[attr-defined] # a list of them
            epoch.update(val_loss=None, val_accuracy=None, val_count=None, loss="NaN")

    falsify(finished / "history.json", change)
    page = read(fmnistlab.report(finished))
    assert "lowest" not in page.text
    assert page.tables["Every epoch"][1][1] == "\N{EN DASH}"
