"""A whole audit: planted faults are found, told in every form, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.auditing.planted import with_faults

import fmnistlab
from fmnistlab import FashionMNISTCSV
from fmnistlab.auditing import Audit
from fmnistlab.errors import ConfigurationError, RunFolderError, UnknownModelError
from fmnistlab.testing import tiny_dataset


@pytest.fixture(scope="module")
def found() -> Audit:
    return fmnistlab.audit(with_faults(), tiny_dataset(20, seed=5))


def rows_of(group: fmnistlab.auditing.EqualImages) -> list[tuple[str, int]]:
    return [(image.part, image.row) for image in group.images]


def test_each_planted_fault_is_found_once(found: Audit) -> None:
    (equal,), (mirrored,) = found.equal, found.mirrored
    (near,), (constant,) = found.near, found.constant
    assert rows_of(equal) == [("planted", 0), ("planted", 3)]
    assert rows_of(mirrored) == [("planted", 1), ("planted", 5)]
    assert {near.one.row, near.other.row} == {2, 7}
    assert near.distance == pytest.approx(np.sqrt(14 * 20**2 / 784))
    assert constant.row == 9
    assert found.conflicting == (equal, mirrored)
    assert found.candidates is None
    assert equal.images[0].sha256 == equal.images[1].sha256
    assert not equal.across


def test_groups_link_what_belongs_together_and_nothing_else(found: Audit) -> None:
    first, second = found.groups
    assert (len(first), len(second)) == (60, 20)
    everything = np.concatenate([first, second])
    together = [
        {*np.flatnonzero(everything == number).tolist()}
        for number in np.unique(everything)
        if (everything == number).sum() > 1
    ]
    assert sorted(map(sorted, together)) == [[0, 3], [1, 5], [2, 7]]


def test_faults_across_parts_are_told_as_such() -> None:
    data = with_faults()
    found = fmnistlab.audit(data.select(range(6)), data.select(range(2, 12)))
    assert [part.name for part in found.parts] == [
        "planted, selection",
        "planted, selection (2)",
    ]
    assert len(found.equal) == 4  # 0 and 3 with the second 3, and 2, 4, 5
    assert all(group.across for group in found.equal)
    assert [(pair.one.row, pair.other.row, pair.across) for pair in found.near] == [(2, 5, True)]
    first, second = found.groups
    assert first[2] == second[0] == second[5]
    assert data.name == "planted"


def test_a_clean_set_has_nothing_to_tell() -> None:
    found = fmnistlab.audit(tiny_dataset(40))
    for findings in (found.equal, found.mirrored, found.near, found.constant, found.drift):
        assert findings == ()
    assert len({*found.groups[0]}) == 40
    assert "none" in str(found)
    assert len(found.to_frame()) == 0


def test_every_form_tells_the_same(found: Audit) -> None:
    frame = found.to_frame()
    assert frame["finding"].tolist() == [
        *["equal"] * 2,
        *["mirrored"] * 2,
        *["near"] * 2,
        "constant",
    ]
    assert frame["row"].tolist() == [0, 3, 1, 5, 2, 7, 9]
    content = json.loads(found.to_json())
    assert content["near"][0]["images"][0]["sha256"] == found.near[0].one.sha256
    assert content["candidates"] is None
    for text in (str(found), repr(found), found.to_markdown(), found._repr_html_()):
        assert "planted" in text
        assert "2.67" in text  # the distance
    assert "| planted | 2 | Pullover | planted | 7 | Sneaker | 2.67 |" in found.to_markdown()


def test_drift_is_measured_between_each_two_parts() -> None:
    images = np.random.default_rng(0).integers(0, 100, (300, 28, 28), dtype=np.uint8)
    parts = [
        FashionMNISTCSV.from_arrays(images[:100], np.arange(100) % 10, name="one"),
        FashionMNISTCSV.from_arrays(images[100:200], np.arange(100) % 10, name="two"),
        FashionMNISTCSV.from_arrays(images[200:] + 50, np.arange(100) % 3, name="three"),
    ]
    same, bright, also = fmnistlab.audit(*parts, near=None).drift
    assert (same.one, same.other, same.labels_v, same.labels_p) == ("one", "two", 0, 1)
    assert same.brightness_p > 0.001
    assert (bright.other, also.one) == ("three", "two")
    assert bright.brightness == pytest.approx(50 / 255, abs=0.01)
    assert bright.brightness_d == 1
    assert bright.labels_p < 1e-6
    # 10 images of each class against 34, 33 and 33 of the first three.
    chi_square = 2 * (12**2 / 22 + 2 * 11.5**2 / 21.5 + 7 * 5**2 / 5)
    assert bright.labels_v == pytest.approx(np.sqrt(chi_square / 200))


def test_labels_are_checked_by_models_that_never_saw_the_image() -> None:
    data = tiny_dataset(300)
    labels = data.targets.numpy().copy()
    wrong = [5, 77, 142, 250]
    labels[wrong] = (labels[wrong] + 3) % 10
    planted = FashionMNISTCSV.from_arrays(data.data, labels, name="flipped")
    found = fmnistlab.audit(planted, model="linearnet", epochs=8, folds=3, seeds=2, device="cpu")
    assert found.candidates is not None
    first = found.candidates[:4]
    assert {doubt.image.row for doubt in first} == {*wrong}
    assert all(doubt.suggested == int(data.targets[doubt.image.row]) for doubt in first)
    assert found.checked == 300
    assert found.checked_by == "2 x 3 trainings of linearnet"
    assert "candidates, not errors" in found.plot_candidates(3).texts[0].get_text()
    assert found.to_frame()["finding"].tolist()[:4] == ["label"] * 4
    assert f"{len(found.candidates)} candidate" in str(found)
    assert "error" not in str(found).lower()


def test_runs_tell_of_the_images_that_they_were_tested_on(trained_once: Path) -> None:
    fit, test = fmnistlab.load_data(trained_once.parent / "tiny.csv")
    found = fmnistlab.audit(fit, test, near=None, model=trained_once)
    assert found.checked == len(test) == 16
    assert found.checked_by == "1 run of linearnet"
    assert any("labels of 64 images were not checked" in note for note in found.notes)
    said = fmnistlab.experiments.read_predictions(trained_once)
    for doubt in found.candidates or ():
        assert doubt.image.part == test.name
        chances = said.probabilities[doubt.image.row]
        assert doubt.given_probability == pytest.approx(float(chances[doubt.image.label]))
        assert doubt.suggested == int(chances.argmax())
    # A folder of runs is as good as each of them.
    again = fmnistlab.audit(fit, test, near=None, model=[str(trained_once.parent)])
    assert again.candidates == found.candidates


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tiny_dataset(10), "only 1 image of label 0 for 3 folds"),
        (tiny_dataset(50).select(range(0, 50, 10)), "all 5 images have the label 0"),
    ],
    ids=["ten rows", "one class"],
)
def test_what_cannot_be_checked_is_said(data: FashionMNISTCSV, words: str) -> None:
    found = fmnistlab.audit(data, model="linearnet", folds=3)
    assert found.candidates is None
    assert words in str(found)
    assert str(found).count("note: labels were not checked") == 1


def test_too_many_near_pairs_are_cut_at_a_distance_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fmnistlab.auditing.examination.MOST_PAIRS", 3)
    found = fmnistlab.audit(tiny_dataset(30), near=200)
    assert len(found.near) <= 3
    assert found.near_distance is not None
    assert all(pair.distance < found.near_distance < 200 for pair in found.near)
    assert "too many near duplicates" in found.notes[0]


def test_impossible_questions_are_refused_before_anything_is_searched(here: Path) -> None:
    data = tiny_dataset(40)
    with pytest.raises(ConfigurationError, match="at least one data set"):
        fmnistlab.audit()
    impossible: list[dict[str, Any]] = [{"near": 300}, {"folds": 1}, {"seeds": 0}, {"epochs": 0}]
    for options in impossible:
        with pytest.raises(ConfigurationError, match=next(iter(options))):
            fmnistlab.audit(data, model="linearnet", **options)
    with pytest.raises(UnknownModelError, match="lineernet"):
        fmnistlab.audit(data, model="lineernet", folds=2)
    with pytest.raises(UnknownModelError, match="lineernet"):  # although ten rows are too few
        fmnistlab.audit(tiny_dataset(10), model="lineernet")
    (here / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="no finished run"):
        fmnistlab.audit(data, model="empty")
    with pytest.raises(RunFolderError, match="cannot be searched"):
        fmnistlab.audit(data, model=["linearnet", "cnn"])
    with pytest.raises(ConfigurationError, match="Labels were not checked"):
        fmnistlab.audit(data).plot_candidates()


def test_transforms_do_not_stand_between_the_audit_and_the_pixels() -> None:
    def fail(image: torch.Tensor) -> torch.Tensor:
        raise AssertionError("an audit looks at what is stored")

    data = with_faults()
    changed = FashionMNISTCSV.from_arrays(data.data, data.targets, name="planted", transform=fail)
    found = fmnistlab.audit(changed, model="linearnet", epochs=1, folds=2, seeds=1)
    assert len(found.equal) == 1
    assert found.candidates is not None


def test_names_of_parts_are_only_text() -> None:
    data = with_faults()
    data.name = "<img onerror='x'>\x1b[31m|$a$"
    found = fmnistlab.audit(data, data.select([20, 21]))
    for text in (str(found), found.to_markdown(), found._repr_html_()):
        assert "\x1b" not in text
    assert "<img" not in found._repr_html_()
    assert json.loads(found.to_json())["parts"][0]["name"] == data.name
    found.plot_near().draw_without_rendering()


def test_pictures_show_the_pairs_in_order(found: Audit) -> None:
    figure = found.plot_near()
    left, right = figure.axes
    data = with_faults().data
    near = found.near[0]
    for axes, image in ((left, near.one), (right, near.other)):
        shown = np.asarray(axes.images[0].get_array())
        assert np.allclose(shown * 255, data[image.row].numpy(), atol=0.01)
    assert "2.7 grey levels" in left.texts[0].get_text()
    with pytest.raises(ConfigurationError, match="nothing to draw"):
        found.plot_near(across=True)
