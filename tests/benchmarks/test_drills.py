"""The drills for other libraries run; what they say of themselves stands in the docs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.faults import __main__ as program
from benchmarks.faults.candidates import Candidate
from benchmarks.faults.sections import SECTIONS

ROOT = Path(__file__).parents[2]
CANDIDATES = [candidate for section in SECTIONS.values() for candidate in section.candidates]


@pytest.mark.parametrize(
    ("section", "peer", "result"),
    [
        ("corruption", "safetensors", {"noticed": 0, "wrong": 2}),  # of one bit flipped
        ("entry-points", "list_models()", {"works": True}),
    ],
)
def test_a_drill_runs_as_the_page_says(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    section: str,
    peer: str,
    result: dict[str, object],
) -> None:
    out = tmp_path / "drills.json"
    words = ["--only", section, "--peer", peer, "--trials", "2", "--out", str(out)]
    assert program.main(words) == 0
    (row,) = json.loads(out.read_text())["sections"][section]["rows"]
    assert (row["status"], row["reason"]) == ("measured", "")
    found = row["result"].get("one bit flipped", row["result"])
    assert found | result == found
    printed = capsys.readouterr().out
    assert f"### {SECTIONS[section].title}\n" in printed
    assert f"| {row['peer']} | {row['way']} |" in printed


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda c: f"{c.peer}, {c.way}")
def test_the_class_of_a_candidate_is_there(candidate: Candidate) -> None:
    if not candidate.place:
        return  # a program
    if not candidate.missing():
        assert isinstance(candidate.kind(), type)
    module, _, name = candidate.place.partition(":")
    path = ROOT.joinpath("benchmarks", "faults", *module.split(".")).with_suffix(".py")
    assert f"\nclass {name}" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_says_of_a_drill_what_the_drill_says(name: str) -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    section = SECTIONS[name]
    head = "\n\n".join([f"### {section.title}", section.explanation, section.table([])])
    assert f"\n{head}\n" in page


def test_each_package_that_a_candidate_needs_has_a_tested_version() -> None:
    lines = (ROOT / "benchmarks" / "faults" / "requirements.txt").read_text(encoding="utf-8")
    tested = {line.partition("==")[0] for line in lines.splitlines() if "==" in line}
    needed = {name for candidate in CANDIDATES for name in candidate.packages}
    needed -= {"fmnistlab", "pandas"}  # the one brings the other
    assert {"pytorch-ignite" if name == "ignite" else name for name in needed} <= tested
