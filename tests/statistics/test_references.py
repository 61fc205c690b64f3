"""Published accuracies: where they come from, and how sure they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnistlab.errors import ConfigurationError
from fmnistlab.metrics import wilson_interval
from fmnistlab.statistics import REFERENCES, REPORTED, Reference

OF_THE_FIRST_RELEASE = {0.967, 0.963, 0.959, 0.957, 0.954}
"""Accuracies that were published before 31 August 2017, when ten images were in both sets."""


def test_all_have_a_source_with_a_date_after_the_repair_and_a_note() -> None:
    for reference in REFERENCES:
        year = re.search(r"\b20\d\d$", reference.source.split(";")[0])
        assert year is not None, reference.name
        assert int(year[0]) >= 2018 or "19 September 2017" in reference.source
        assert reference.note.endswith(".")


def test_none_is_of_the_first_release() -> None:
    assert not OF_THE_FIRST_RELEASE & {reference.accuracy for reference in REFERENCES}


def test_they_stand_in_order_and_each_name_once() -> None:
    accuracies = [reference.accuracy for reference in REFERENCES]
    assert accuracies == sorted(accuracies)
    assert len({reference.name for reference in REFERENCES}) == len(REFERENCES)


def test_the_humans_are_those_of_1000_images() -> None:
    human = REFERENCES[0]
    assert (human.name, human.accuracy, human.images) == ("human", 0.835, 1_000)
    assert human.interval() == pytest.approx((0.811, 0.857), abs=0.0005)


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0.5, 0.99))
def test_the_interval_is_wilsons(images: int, accuracy: float, confidence: float) -> None:
    found = Reference("a", accuracy, images, "b").interval(confidence)
    expected = wilson_interval(round(accuracy * images), images, confidence)
    assert found == pytest.approx(expected, abs=1e-9)


def test_as_text_each_says_that_it_was_not_verified() -> None:
    for reference in REFERENCES:
        text = str(reference)
        assert text.startswith(f"{reference.name}: accuracy {reference.accuracy:.4f} (95 %")
        assert REPORTED in text
        assert reference.source in text
    assert "(95 % interval 0.8107 to 0.8567, 1,000 images)" in str(REFERENCES[0])


@pytest.mark.parametrize(
    ("accuracy", "images", "source"),
    [(1.1, 10, "a"), (-0.1, 10, "a"), (float("nan"), 10, "a"), (0.5, 0, "a"), (0.5, 10, " ")],
)
def test_what_is_impossible_or_without_source_is_refused(
    accuracy: float, images: int, source: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"accuracy|images|source"):
        Reference("a", accuracy, images, source)
