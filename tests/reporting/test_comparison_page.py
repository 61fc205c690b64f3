"""The page of a comparison: as far as it is, with its own words, and links that lead somewhere."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.experiments.comparisons import small
from tests.html_page import HOSTILE
from tests.reporting.pages import Page, read
from tests.run_files import falsify, put

import fmnistlab
from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments import Comparison, Variant, read_comparison, read_predictions
from fmnistlab.experiments.records.predictions import in_order_of_images
from fmnistlab.reporting.disagreement import SHOWN, VariantAnswers, disputed, read_answers
from fmnistlab.training.recipes.recipe import Recipe


def folder_of(comparison: Comparison) -> Path:
    assert comparison.folder is not None
    return comparison.folder


@pytest.fixture
def compared(compared_once: Comparison, here: Path) -> Path:
    """A copy of the folder of the small comparison, with its data beside it."""
    folder = folder_of(compared_once)
    shutil.copy(folder.parent / "tiny.csv", here / "tiny.csv")
    return Path(shutil.copytree(folder, here / "out"))


def test_read_again_it_is_what_compare_returned(compared_once: Comparison) -> None:
    again = read_comparison(folder_of(compared_once))
    assert again.to_dict() == compared_once.to_dict()
    assert again.histories == compared_once.histories


def test_its_words_and_numbers_are_those_of_the_comparison(
    compared_once: Comparison, here: Path
) -> None:
    page = read(fmnistlab.report(compared_once, "page.html"))
    for sentence in compared_once.verdicts:
        assert sentence in page.text
    rows = page.tables["Mean of the runs that are done"][1:]
    for variant, row in zip(compared_once.variants, rows, strict=True):
        assert row[0] == variant.name
        assert row[3] == f"{variant.accuracy:.4f}"
    assert "4 of 4" in page.text
    assert page.numbers["verdicts"] == list(compared_once.verdicts)


def test_links_lead_to_the_run_folders(compared: Path) -> None:
    page = read(fmnistlab.report(compared))
    links = [link for link in page.attributes("href") if not link.startswith("#")]
    assert len(links) == 4
    assert all((compared / link / "result.json").is_file() for link in links)
    elsewhere = read(fmnistlab.report(compared, compared / "runs" / "page.html"))
    assert all(
        (compared / "runs" / link / "result.json").is_file()
        for link in elsewhere.attributes("href")
        if not link.startswith("#")
    )


def test_both_sources_give_the_same_bytes(compared: Path) -> None:
    one = fmnistlab.report(compared).read_bytes()
    assert fmnistlab.report(read_comparison(compared)).read_bytes() == one
    assert fmnistlab.report(str(compared)).read_bytes() == one


def test_one_that_is_not_finished_is_reported_as_it_stands(compared: Path) -> None:
    runs = sorted((compared / "runs").iterdir())
    (runs[0] / "result.json").unlink()
    shutil.rmtree(runs[1])
    page = read(fmnistlab.report(compared))
    assert "Comparison, not finished" in page.text
    assert "2 of 4" in page.text
    states = [row[-1] for row in page.tables["Every run"][1:]]
    assert sorted(states) == ["begun", "done", "done", "missing"]
    for run in runs[2:]:
        shutil.rmtree(run)
    empty = read(fmnistlab.report(compared))
    assert "There is nothing to compare yet" in empty.text


def test_damaged_predictions_are_a_failed_run(compared: Path) -> None:
    run = sorted((compared / "runs").iterdir())[0]
    (run / "predictions.safetensors").write_bytes(b"")
    page = read(fmnistlab.report(compared))
    assert "failed" in [row[-1] for row in page.tables["Every run"][1:]]
    assert "predictions.safetensors: damaged" in page.text


def test_that_it_was_extended_is_told(here: Path) -> None:
    small(here / "out", "linearnet", "linearnet@learning_rate=0.01", seeds=2)
    small(here / "out", "linearnet", "linearnet@learning_rate=0.01", seeds=3)
    assert "Extended after 4 runs were finished" in read(fmnistlab.report("out")).text


def test_names_stay_text(here: Path) -> None:
    named = Variant(model="linearnet", recipe=Recipe(epochs=1), name=HOSTILE[:60])
    comparison = small(here / "out", named, "linearnet", seeds=2)
    path = fmnistlab.report(comparison)
    page = read(path)
    assert len(page.scripts) == 2
    assert "<script>alert(1)</script>" in page.text
    assert "\x1b" not in path.read_text("utf-8")


def test_a_comparison_without_a_folder_needs_a_file(compared_once: Comparison, here: Path) -> None:
    runs = [run.folder for run in compared_once.runs]
    comparison = fmnistlab.compare(runs)
    assert comparison.folder is None
    with pytest.raises(ConfigurationError, match="name the file"):
        fmnistlab.report(comparison)
    page = read(fmnistlab.report(comparison, "page.html"))
    assert comparison.verdicts[0] in page.text


def test_a_record_that_names_no_seeds_is_refused(compared_once: Comparison, here: Path) -> None:
    fmnistlab.compare([run.folder for run in compared_once.runs], out="out", pictures=False)
    falsify(here / "out/comparison.json", put("variants.linearnet@epochs=2.runs", {"x": "y"}))
    with pytest.raises(OSError, match="names no seeds"):
        fmnistlab.report("out")


def test_the_images_in_dispute_are_those_on_which_most_runs_differ(
    compared_once: Comparison,
) -> None:
    answers = read_answers(compared_once.runs)
    assert answers is not None
    one, other = (variant.name for variant in compared_once.variants)
    right = {}
    for name in (one, other):
        rows = []
        for run in compared_once.runs:
            if run.variant == name:
                found = read_predictions(run.folder)
                rows.append(found.correct.numpy()[in_order_of_images(found)])
        right[name] = np.stack(rows).sum(axis=0)
    assert (right[one] != right[other]).any()
    for ahead, behind, side in zip(
        (one, other), (other, one), disputed(answers, one, other), strict=True
    ):
        leads = [disputed_image.ahead - disputed_image.behind for disputed_image in side]
        assert leads == sorted(leads, reverse=True)
        assert all(lead > 0 for lead in leads)
        gaps = right[ahead].astype(int) - right[behind].astype(int)
        assert leads == sorted(gaps[gaps > 0].tolist(), reverse=True)[:SHOWN]
        for image in side:
            assert right[ahead][image.row] == image.ahead
            assert image.said != answers.targets[image.row]


def test_of_many_images_in_dispute_the_most_disputed_come_first(
    compared_once: Comparison,
) -> None:
    answers = read_answers(compared_once.runs)
    assert answers is not None
    random = np.random.default_rng(0)
    targets = random.integers(0, 10, 200)

    def guessed() -> VariantAnswers:
        labels = np.where(random.random((8, 200)) < 0.5, targets, random.integers(0, 10, (8, 200)))
        named = np.stack([(labels == k).sum(axis=0) for k in range(10)], axis=1)
        return VariantAnswers(8, (labels == targets).mean(axis=0), named.astype(np.int64))

    one, other = guessed(), guessed()
    images = random.integers(0, 256, (200, 32), dtype=np.uint8)
    many = dataclasses.replace(
        answers, variants={"a": one, "b": other}, targets=targets, images=images
    )
    for ahead, behind, side in zip(
        (one, other), (other, one), disputed(many, "a", "b"), strict=True
    ):
        leads = (8 * (ahead.right - behind.right)).round().astype(int)
        assert [image.ahead - image.behind for image in side] == sorted(leads)[::-1][:SHOWN]


def test_pages_of_runs_and_comparisons_share_their_form(
    compared_once: Comparison, here: Path
) -> None:
    of_run: Page = read(fmnistlab.report(compared_once.runs[0].folder, "run.html"))
    of_all: Page = read(fmnistlab.report(compared_once, "all.html"))
    for page in (of_run, of_all):
        names = [tag for tag, _ in page.elements]
        assert names.count("h1") == names.count("main") == 1
        headings = [int(name[1]) for name in names if name in {"h1", "h2", "h3"}]
        assert all(b <= a + 1 for a, b in itertools.pairwise(headings))


def test_a_large_comparison_keeps_within_the_limit(compared_once: Comparison, here: Path) -> None:
    first = compared_once.runs[0]
    missing = [dataclasses.replace(first, state="missing", seed=seed) for seed in range(5000)]
    many = dataclasses.replace(compared_once, runs=(*compared_once.runs, *missing))
    page = read(fmnistlab.report(many, "page.html"))
    assert len(page.tables["Every run"]) == 401
    assert "And 4,604 runs more" in page.text
