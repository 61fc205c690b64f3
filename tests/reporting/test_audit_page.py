"""The page of an audit: all that was found is on it, with its images, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from tests.auditing.planted import with_faults
from tests.html_page import HOSTILE
from tests.reporting.pages import Page, read

import fmnistlab
from fmnistlab import FashionMNISTCSV
from fmnistlab.auditing import Audit
from fmnistlab.cli.main import run
from fmnistlab.errors import ConfigurationError
from fmnistlab.testing import tiny_dataset


def tiles(page: Page) -> int:
    """The number of pictures."""
    return page.attributes("class").count("p")


def test_every_finding_is_there_with_its_images(audited_once: Audit, here: Path) -> None:
    page = read(fmnistlab.report(audited_once, here / "audit.html"))
    doubts = audited_once.candidates
    assert doubts
    # Two equal, two mirrored, two near, one constant, and those whose labels are in doubt.
    assert tiles(page) == 2 + 2 + 2 + 1 + len(doubts)
    assert "80 images looked at. Equal pixel by pixel: 1 group; mirrored: 1 group" in page.text
    assert "with more than one label: 2." in page.text
    assert "Nearly the same: 1 pair, 0 across parts." in page.text
    assert f"In doubt: {len(doubts)} label" in page.text
    assert "candidates, not errors" in page.text
    counts = page.tables["Images by label"]
    assert counts[0] == ["label", "planted", "tiny"]
    assert [row[1:] for row in counts[1:]] == [["6", "2"]] * 10
    fingerprints = [row[2] for row in page.tables["Fingerprints of labels and images"][1:]]
    assert fingerprints == [part.fingerprint for part in audited_once.parts]


def test_its_numbers_are_those_of_the_audit(audited_once: Audit, here: Path) -> None:
    numbers = read(fmnistlab.report(audited_once, here / "audit.html")).numbers
    found = numbers.pop("found")
    assert numbers.pop("format") == 1
    assert numbers == json.loads(audited_once.to_json())
    assert found["equal"] == found["mirrored"] == found["near"] == found["constant"] == 1
    assert found["candidates"] == len(audited_once.candidates or ())


def test_what_was_not_found_has_no_section(here: Path) -> None:
    page = read(fmnistlab.report(fmnistlab.audit(tiny_dataset(40)), here / "audit.html"))
    assert tiles(page) == 0
    assert "No image is there twice, mirrored or not." in page.text
    assert "Labels were not checked." in page.text
    assert not {"equal", "mirrored", "near", "constant", "doubts"} & {*page.attributes("id")}


def test_it_stays_small_however_much_is_found(here: Path) -> None:
    random = np.random.default_rng(0)
    base = random.integers(0, 200, (700, 28, 28), dtype=np.uint8)
    near = base.copy()
    near[:, 0, 0] += 1
    # Noise, which no PNG makes small, with 700 near pairs and 700 equal ones; 900 black images.
    images = np.concatenate([np.zeros((900, 28, 28), np.uint8), base, near, base])
    data = FashionMNISTCSV.from_arrays(images, np.arange(len(images)) % 10, name="noise")
    found = fmnistlab.audit(data)
    page = read(fmnistlab.report(found, here / "audit.html"))
    assert "900 images, more than one label" in page.text
    assert "and 888 more" in page.text
    numbers = page.numbers
    assert numbers["found"]["near"] == len(found.near) == 700
    assert numbers["found"]["equal"] == len(found.equal) == 701
    assert 0 < len(numbers["near"]) == len(numbers["equal"]) < 500
    assert f"The nearest {len(numbers['near'])} are shown" in page.text


def test_names_of_parts_stay_text(here: Path) -> None:
    data = with_faults()
    data.name = HOSTILE
    read(fmnistlab.report(fmnistlab.audit(data), here / "audit.html"))


def test_the_same_audit_has_the_same_bytes(audited_once: Audit, here: Path) -> None:
    first = fmnistlab.report(audited_once, here / "a.html").read_bytes()
    again = fmnistlab.report(dataclasses.replace(audited_once), here / "a.html").read_bytes()
    assert first == again


def test_an_audit_needs_a_file(audited_once: Audit) -> None:
    with pytest.raises(ConfigurationError, match="name the file to write the report to"):
        fmnistlab.report(audited_once)


@pytest.mark.parametrize(
    ("place", "told"),
    [(".", "it is a folder"), ("tiny.csv/page.html", "tiny.csv: cannot be made: File exists")],
)
def test_a_place_where_nothing_can_be_is_told_before_the_audit(
    here: Path, place: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_dataset(30).to_csv(here / "tiny.csv")
    assert run(["data", "audit", "tiny.csv", "--report", place]) != 0
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err
    assert "near duplicates" not in said.err


def test_the_command_writes_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_dataset(30).to_csv(here / "tiny.csv")
    assert run(["data", "audit", "tiny.csv", "--report", "new/page.html", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["parts"][0]["images"] == 30
    assert "report: new/page.html" in said.err
    assert "30 images looked at" in read(here / "new/page.html").text
