"""What `comparison.json` says of what was asked for, and when."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from fmnistlab.errors import ConfigurationError, RunFolderError
from fmnistlab.experiments import read_config
from fmnistlab.experiments.comparison.record import (
    COMPARISONS,
    ComparisonRecord,
    RequestRecord,
    VariantRecord,
    begin,
)
from fmnistlab.experiments.comparison.request import check_names
from fmnistlab.experiments.records.identity import TrainingIdentity

FIRST = RequestRecord(variants=("a", "b"), seeds=(0, 1), smallest=0.005, baseline=None, finished=0)


@pytest.fixture
def variant(trained_once: Path) -> VariantRecord:
    """A variant that a comparison trains."""
    return VariantRecord.of(TrainingIdentity.of(read_config(trained_once)))


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ({"seeds": (0, 1, 2), "finished": 3}, "after 3 runs were finished: 2 to 3 seeds. "),
        ({"variants": ("a", "b", "c"), "finished": 1}, ": c added. "),
        ({"smallest": 0.01, "finished": 4}, ": smallest difference 0.5 to 1 points. "),
        ({"baseline": "a", "finished": 4}, ": baseline none to a. "),
        ({"seeds": (0, 1, 2), "finished": 0}, None),
        ({"finished": 4}, None),
    ],
)
def test_what_was_asked_for_after_a_look_is_told(
    later: dict[str, Any], said: str | None, variant: VariantRecord
) -> None:
    requests = (FIRST, dataclasses.replace(FIRST, **later))
    record = ComparisonRecord(variants={"a": variant}, requests=requests, result=None)
    assert len(record.extensions) == (said is not None)
    if said is not None:
        assert said in record.extensions[0]


def test_a_record_grows_and_never_shrinks(here: Path, variant: VariantRecord) -> None:
    folder = here / "out"
    both = {"a": variant, "b": variant}
    first = begin(folder, both, FIRST)
    assert COMPARISONS.read(folder) == first
    written = (folder / "comparison.json").read_bytes()
    assert begin(folder, both, dataclasses.replace(FIRST, finished=2)) == first
    assert (folder / "comparison.json").read_bytes() == written
    for fewer in ({"seeds": (0,)}, {"variants": ("a",)}):
        with pytest.raises(RunFolderError, match="would be left out now"):
            begin(folder, both, dataclasses.replace(FIRST, **fewer))
    other = dataclasses.replace(variant, training=dataclasses.replace(variant.training, threads=2))
    with pytest.raises(RunFolderError, match=r"another threads of b: 1, and not 2"):
        begin(folder, {"a": variant, "b": other}, FIRST)
    assert (folder / "comparison.json").read_bytes() == written
    more = dataclasses.replace(FIRST, variants=("a", "b", "c"), finished=4)
    assert begin(folder, {**both, "c": other}, more).requests == (FIRST, more)


def test_a_folder_of_something_else_is_left_alone(here: Path, variant: VariantRecord) -> None:
    (here / "mine.txt").touch()
    with pytest.raises(RunFolderError, match="not the folder of a comparison"):
        begin(here, {"a": variant, "b": variant}, FIRST)
    assert [path.name for path in here.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("names", "baseline", "said"),
    [(["a", "b", "a"], None, "Two variants are called a"), (["a"], "b", "not compared here")],
)
def test_names_that_mean_two_or_none_are_refused(
    names: list[str], baseline: str | None, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_names(names, baseline)
