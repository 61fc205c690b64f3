"""Which metrics a trainer takes, how they are called, and what they are given."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmnistlab.errors import ConfigurationError
from fmnistlab.training.extra_metrics.chosen import ExtraMetrics
from fmnistlab.training.extra_metrics.mode import decided_mode

SCORES, LABELS = torch.eye(10).repeat(3, 1), torch.arange(30) % 10


def share(logits: Tensor, labels: Tensor, *, of: int = 1) -> float:
    return float((logits.argmax(dim=1) == labels).double().mean()) / of


class CountingF1Score:
    """Adds up what it is given, as a metric of torchmetrics does."""

    higher_is_better = False

    def __init__(self) -> None:
        self.seen = 0

    def reset(self) -> None:
        self.seen = 0

    def update(self, logits: Tensor, labels: Tensor) -> None:
        assert logits.shape[0] == len(labels)
        self.seen += len(labels)

    def compute(self) -> Tensor:
        return torch.tensor(float(self.seen))


def measured(given: Any) -> dict[str, float]:
    return ExtraMetrics(given).measure([SCORES], [LABELS])


def test_metrics_are_called_as_the_code_is_or_as_a_dictionary_says() -> None:
    given = [share, functools.partial(share, of=2), CountingF1Score(), "error"]
    assert measured(given[1:]) == {"share": 0.5, "counting_f1_score": 30.0, "error": 0.0}
    assert measured(given[:1]) == {"share": 1.0}
    assert measured({"half": given[1], "mine": lambda _, labels: len(labels)}) == {
        "half": 0.5,
        "mine": 30.0,
    }
    assert measured(()) == {}


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("macro_f1", r"metrics is 'macro_f1'; use a list"),
        (["makro_f1"], "no metric 'makro_f1'. Did you mean 'macro_f1'.* top_2_accuracy, "),
        (["error", "error"], "metrics has error twice.$"),
        ([share, share], "metrics has share twice. Name it by a dictionary"),
        ([lambda *_: 1.0], r"cannot be called '<lambda>'\. Name it by a dictionary"),
        ({"val_share": share}, "cannot be called 'val_share', which has a meaning"),
        ({"accuracy": share}, "cannot be called 'accuracy', which has a meaning"),
        ({"loss": share}, "cannot be called 'loss'"),
        ({"macro_f1": share}, "cannot be called 'macro_f1', which has a meaning"),
        ({"extra": share}, "cannot be called 'extra'"),
        ({"two words": share}, "cannot be called 'two words'"),
        ({"": share}, "cannot be called ''"),
        ({3: share}, "cannot be called 3"),
        ({"é": share}, "cannot be called"),
        ({"x" * 41: share}, "cannot be called"),
        ({"mine": "macro_f1"}, "'macro_f1' has a name; it cannot be 'mine'"),
        ([CountingF1Score], r"use an object, CountingF1Score\(\.\.\.\), not the class"),
        ([3], "metrics is 3; use names, functions"),
        (share, "use a list"),
    ],
)
def test_what_cannot_be_measured_or_named_is_refused(given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ExtraMetrics(given)


@pytest.mark.parametrize(
    "value",
    [1, 1.0, np.float32(1.0), np.int64(1), torch.tensor(1), torch.tensor(1.0, dtype=torch.half)],
)
def test_a_number_is_a_number(value: object) -> None:
    found = measured({"one": lambda *_: value})["one"]
    assert found == 1.0
    assert type(found) is float


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_a_result(value: float) -> None:
    assert str(measured({"odd": lambda *_: value})["odd"]) == str(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "gives None"),
        (True, "gives True"),
        ("0.5", "gives '0.5'"),
        (torch.ones(10), r"gives shape \(10,\)"),
        (torch.ones(1), r"gives shape \(1,\)"),
        (torch.tensor(1 + 1j), r"gives shape \(\)"),
        (1j, "gives 1j"),
        (10**400, r"gives about 10\*\*400"),
    ],
)
def test_what_is_no_number_is_refused_by_name_before_it_is_needed(value: object, said: str) -> None:
    extra = ExtraMetrics({"mine": lambda *_: value})
    said = f"^The metric mine {said} for scores .* one number"
    with pytest.raises(ConfigurationError, match=said):
        extra.check(10)


def test_a_metric_that_fails_is_named_with_what_it_was_given() -> None:
    def wrong(logits: Tensor, labels: Tensor) -> Tensor:
        return logits @ labels

    with pytest.raises(ConfigurationError, match=r"wrong fails for scores \(40, 10\) and labels"):
        ExtraMetrics([wrong]).check(10)


def test_it_is_tried_once_with_each_class() -> None:
    seen: list[list[int]] = []

    def noting(logits: Tensor, labels: Tensor) -> float:
        seen.append(sorted(set(labels.tolist())))
        return float(logits.mean())

    extra = ExtraMetrics([noting])
    extra.check(4)
    extra.check(4)
    assert seen == [[0, 1, 2, 3]]


def test_an_object_starts_anew_with_each_pass() -> None:
    metric = CountingF1Score()
    metric.seen = 99
    extra = ExtraMetrics([metric])
    extra.check(10)
    metric.seen = 99
    for _ in range(2):
        assert extra.measure([SCORES, SCORES], [LABELS, LABELS]) == {"counting_f1_score": 60.0}
    assert metric.seen == 0
    assert extra.mode("counting_f1_score") == "min"
    assert extra.described == ExtraMetrics([CountingF1Score()]).described


def test_no_metric_sees_what_another_one_did() -> None:
    def spoiling(logits: Tensor, labels: Tensor) -> float:
        logits.zero_()
        labels.fill_(1)
        np.random.seed(1)  # noqa: NPY002 - the global one is meant
        return torch.rand(()).item()

    scores = SCORES.clone()
    before = torch.get_rng_state()
    one, other = (ExtraMetrics([spoiling, share]).measure([scores], [LABELS]) for _ in range(2))
    assert one == other
    assert one["share"] == 1.0
    assert torch.equal(scores, SCORES)
    assert torch.equal(torch.get_rng_state(), before)


def test_they_get_float32_and_int64_on_the_cpu_and_no_gradient() -> None:
    seen: list[tuple[object, ...]] = []

    def noting(logits: Tensor, labels: Tensor) -> int:
        seen.append((logits.dtype, labels.dtype, logits.device.type, torch.is_grad_enabled()))
        assert not logits.is_inference()
        return 0

    with torch.inference_mode():
        scores = SCORES.to(torch.bfloat16)
    ExtraMetrics([noting]).measure([scores], [LABELS])
    assert seen == [(torch.float32, torch.int64, "cpu", False)]


@given(st.lists(st.just(torch.zeros(0, dtype=torch.int64)), max_size=2))
def test_of_no_image_all_metrics_are_nan(labels: list[Tensor]) -> None:
    found = ExtraMetrics(["error", share]).measure([torch.zeros(0, 10)] * len(labels), labels)
    assert [*found] == ["error", "share"]
    assert all(map(math.isnan, found.values()))


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize("known", [None, "min", "max"])
@pytest.mark.parametrize("said", [None, "min", "max", "up"])
def test_which_values_are_best_is_known_once(known: Any, said: Any) -> None:
    possible = {known, said} - {None}
    if len(possible) == 1 and "up" not in possible:
        assert decided_mode("val_mine", said, known) == possible.pop()
    else:
        with pytest.raises(ConfigurationError, match="mode"):
            decided_mode("val_mine", said, known)
