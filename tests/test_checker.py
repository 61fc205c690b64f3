"""The checker of annotations: it sees what is wrong in a call, and nothing where it is off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from beartype.roar import BeartypeCallHintViolation

from fmnistlab.statistics.bootstrap import bootstrap_differences
from fmnistlab.statistics.two_way import Estimate
from fmnistlab.training.records.meter import Meter

RIGHT = np.ones((2, 5), np.uint8)


def test_arguments_have_their_types() -> None:
    wrong: Any = "three"
    with pytest.raises(BeartypeCallHintViolation, match="draws"):
        bootstrap_differences(RIGHT, RIGHT, draws=wrong)


def test_a_whole_number_is_a_fine_float_and_text_is_none() -> None:
    wrong: Any = "0.5"
    assert Estimate(1, 0, 3).value == 1
    with pytest.raises(BeartypeCallHintViolation, match="value"):
        Estimate(wrong, 0, 3)


def test_arrays_have_their_types_and_sizes_of_one_name_are_equal() -> None:
    assert len(bootstrap_differences(RIGHT, RIGHT[:1], draws=3)) == 3
    with pytest.raises(BeartypeCallHintViolation, match="one"):
        bootstrap_differences(RIGHT.astype(np.int64), RIGHT)
    with pytest.raises(BeartypeCallHintViolation, match="other"):
        bootstrap_differences(RIGHT, RIGHT[:, :4])


def test_results_have_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter()
    monkeypatch.setattr(meter, "_seen", 0.5)
    with pytest.raises(BeartypeCallHintViolation, match="return"):
        _ = meter.seen


@pytest.mark.usefixtures("no_checker")
def test_switched_off_it_says_nothing() -> None:
    wrong: Any = "0.5"
    assert Estimate(wrong, 0, 3).value is wrong
