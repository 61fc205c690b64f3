"""The metrics that have names are those of scikit-learn, however a pass is cut into batches."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from torch import Tensor

from fmnistlab.errors import ConfigurationError
from fmnistlab.training.extra_metrics.chosen import ExtraMetrics
from fmnistlab.training.extra_metrics.named import NAMED, known_mode


@st.composite
def passes(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """The scores and labels of some images, of ten classes, of which some may be missing."""
    seed, count = draw(st.integers(0, 2**32)), draw(st.integers(1, 60))
    generator = torch.Generator().manual_seed(seed)
    classes = draw(st.integers(1, 10))
    labels = torch.randint(0, classes, (count,), generator=generator)
    scores = torch.randn(count, 10, generator=generator)
    scores[torch.arange(count), labels] += draw(st.sampled_from([0.0, 1.0, 9.0]))
    return scores, labels


def by_scikit_learn(name: str, scores: Tensor, labels: Tensor) -> float:
    true, predicted = labels.numpy(), scores.argmax(dim=1).numpy()
    if name.startswith("top_"):
        k = int(name.split("_")[1])
        every = range(scores.shape[1])
        return float(
            sklearn_metrics.top_k_accuracy_score(true, scores.numpy(), k=k, labels=[*every])
        )
    ways: dict[str, Any] = {
        "macro_f1": lambda: sklearn_metrics.f1_score(true, predicted, average="macro"),
        "balanced_accuracy": lambda: sklearn_metrics.balanced_accuracy_score(true, predicted),
        "matthews_corrcoef": lambda: sklearn_metrics.matthews_corrcoef(true, predicted),
        "error": lambda: sklearn_metrics.zero_one_loss(true, predicted),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are missing
        return float(ways[name]())


@given(passes())
def test_named_metrics_are_those_of_scikit_learn(measured: tuple[Tensor, Tensor]) -> None:
    scores, labels = measured
    for name, value in ExtraMetrics([*NAMED]).measure([scores], [labels]).items():
        assert value == pytest.approx(by_scikit_learn(name, scores, labels), abs=1e-12), name


@given(passes(), st.lists(st.integers(0, 60), max_size=5))
def test_the_cut_into_batches_does_not_matter(
    measured: tuple[Tensor, Tensor], cuts: list[int]
) -> None:
    extra = ExtraMetrics([*NAMED])
    bounds = sorted(cut for cut in cuts if cut <= len(measured[1]))
    parts = [torch.tensor_split(whole, bounds) for whole in measured]
    assert extra.measure(*parts) == extra.measure(*([whole] for whole in measured))


@given(passes())
def test_the_error_is_what_the_accuracy_lacks_and_top_k_grows_with_k(
    measured: tuple[Tensor, Tensor],
) -> None:
    scores, labels = measured
    found = ExtraMetrics([*NAMED]).measure([scores], [labels])
    accuracy = float((scores.argmax(dim=1) == labels).double().mean())
    assert found["error"] == pytest.approx(1 - accuracy)
    tops = [accuracy, *(found[f"top_{k}_accuracy"] for k in range(2, 10))]
    assert tops == sorted(tops)


def test_of_equal_scores_the_lower_class_is_first_as_in_the_accuracy() -> None:
    scores, labels = torch.zeros(10, 10), torch.arange(10)
    found = ExtraMetrics(["top_2_accuracy", "top_9_accuracy"]).measure([scores], [labels])
    assert found == {"top_2_accuracy": 0.2, "top_9_accuracy": 0.9}


def test_one_class_alone_correlates_with_nothing() -> None:
    scores, labels = torch.eye(10)[[3, 3]], torch.tensor([3, 3])
    assert ExtraMetrics(["matthews_corrcoef"]).measure([scores], [labels])[
        "matthews_corrcoef"
    ] == by_scikit_learn("matthews_corrcoef", scores, labels)


def test_names_tell_which_values_are_best() -> None:
    best = {name: known_mode(f"val_{name}") for name in ("loss", "accuracy", *NAMED, "mine")}
    smallest = {name for name, mode in best.items() if mode == "min"}
    assert smallest == {"loss", "error"}
    assert best.pop("mine") is None
    assert None not in best.values()


def test_more_classes_than_there_are_cannot_be_among_the_first() -> None:
    with pytest.raises(ConfigurationError, match=r"top_3_accuracy fails .* with 3 classes each"):
        ExtraMetrics(["top_3_accuracy"]).check(3)
    ExtraMetrics(["top_3_accuracy"]).check(4)
