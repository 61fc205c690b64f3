from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest
from tests.html_page import checked
from tests.strategies import confusion_matrices, successes_of_count

from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.errors import ConfigurationError
from fmnistlab.training.records.classification import (
    Confusion,
    class_scores,
    confusion_matrix,
    most_confused,
    worst_mistakes,
)
from fmnistlab.training.records.metrics import Metrics, wilson_interval
from fmnistlab.training.records.predictions import Predictions

confidences = st.floats(0.01, 0.999)


# --- the interval ---------------------------------------------------------------------------------


@given(successes_of_count(), confidences)
def test_the_interval_is_the_one_scipy_gives(pair: tuple[int, int], confidence: float) -> None:
    successes, count = pair
    expected = binomtest(successes, count).proportion_ci(confidence, method="wilson")
    low, high = wilson_interval(successes, count, confidence)
    assert low == pytest.approx(expected.low, abs=1e-9)
    assert high == pytest.approx(expected.high, abs=1e-9)


@given(successes_of_count(), confidences)
def test_the_interval_holds_the_estimate_and_stays_a_fraction(
    pair: tuple[int, int], confidence: float
) -> None:
    successes, count = pair
    low, high = wilson_interval(successes, count, confidence)
    assert 0 <= low <= successes / count <= high <= 1


@given(successes_of_count(10_000), st.integers(2, 50))
def test_the_interval_shrinks_with_more_images(pair: tuple[int, int], times: int) -> None:
    few = wilson_interval(*pair)
    many = wilson_interval(pair[0] * times, pair[1] * times)
    assert many[1] - many[0] < few[1] - few[0]


@given(successes_of_count())
def test_the_interval_grows_with_confidence(pair: tuple[int, int]) -> None:
    narrow, wide = wilson_interval(*pair, 0.5), wilson_interval(*pair, 0.99)
    assert wide[0] <= narrow[0]
    assert wide[1] >= narrow[1]
    assert wide[1] - wide[0] > narrow[1] - narrow[0]


@given(st.integers(1, 10**7), confidences)
def test_the_ends_are_exact_where_nothing_or_everything_is_right(
    count: int, confidence: float
) -> None:
    assert wilson_interval(0, count, confidence)[0] == 0.0
    assert wilson_interval(count, count, confidence)[1] == 1.0


def test_of_nothing_nothing_is_known() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "count"), [(-1, 3), (4, 3), (0, -1)])
def test_impossible_counts_are_refused(successes: int, count: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{successes} successes out of {count}"):
        wilson_interval(successes, count)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, -0.1, math.nan])
def test_a_confidence_that_is_no_fraction_is_refused(confidence: float) -> None:
    with pytest.raises(ConfigurationError, match=r"such as 0\.95"):
        Metrics(0.3, 0.9, 100).accuracy_interval(confidence)


# --- Metrics --------------------------------------------------------------------------------------


@given(successes_of_count())
def test_the_interval_of_metrics_is_that_of_their_counts(pair: tuple[int, int]) -> None:
    successes, count = pair
    metrics = Metrics(loss=0.3, accuracy=successes / count, count=count)
    assert metrics.accuracy_interval() == wilson_interval(successes, count)


def test_metrics_print_as_one_line() -> None:
    assert str(Metrics(0.27461, 0.8997, 10_000)) == (
        "loss 0.2746, accuracy 0.8997 (95 % interval 0.8937 to 0.9054), 10,000 images"
    )
    assert str(Metrics(0.0, 1.0, 1)).endswith(", 1 image")
    assert str(Metrics(2.3e30, 0.5, 10)).startswith("loss 2.30e+30, accuracy 0.5000 ")


def test_metrics_of_no_images_are_nan_with_the_widest_interval() -> None:
    empty = Metrics(math.nan, math.nan, 0)
    assert empty.accuracy_interval() == (0.0, 1.0)
    assert str(empty) == "loss nan, accuracy nan (95 % interval 0.0000 to 1.0000), 0 images"


def test_a_diverged_loss_is_still_a_result() -> None:
    assert "loss nan, accuracy 0.1000" in str(Metrics(math.nan, 0.1, 100))


@pytest.mark.parametrize("accuracy", [89.97, -0.1, math.nan])
def test_an_accuracy_that_is_no_fraction_is_refused(accuracy: float) -> None:
    with pytest.raises(ConfigurationError, match="fraction from 0 to 1"):
        Metrics(0.3, accuracy, 100)


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be negative: -1"):
        Metrics(0.3, 0.9, -1)


# --- Predictions ----------------------------------------------------------------------------------


def predictions_of(labels: list[int], confidence: list[float] | None = None) -> Predictions:
    """Predictions with the given probability of the predicted class, the rest spread evenly."""
    chosen = torch.tensor(labels, dtype=torch.int64)
    sure = torch.full((len(labels),), 0.9) if confidence is None else torch.tensor(confidence)
    probabilities = ((1 - sure) / 9).unsqueeze(1).repeat(1, 10)
    probabilities[torch.arange(len(labels)), chosen] = sure
    return Predictions(chosen, probabilities)


def test_predictions_know_their_length_and_how_sure_they_are() -> None:
    predictions = predictions_of([3, 1], [0.8, 0.6])
    assert len(predictions) == 2
    torch.testing.assert_close(predictions.confidence, torch.tensor([0.8, 0.6]))


def test_no_predictions_have_the_length_zero() -> None:
    assert len(predictions_of([])) == 0
    assert predictions_of([]).confidence.shape == (0,)


def test_predictions_need_one_row_for_each_label() -> None:
    # In a process of its own: here the shapes are checked at run time before the class can.
    code = (
        "import torch; from fmnistlab.training.records.predictions import Predictions; "
        "Predictions(torch.zeros(2, dtype=torch.int64), torch.zeros(3, 10))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigurationError" in done.stderr
    assert "(2,) and (3, 10)" in done.stderr


# --- by class -------------------------------------------------------------------------------------


def answers(matrix: list[list[int]]) -> tuple[torch.Tensor, Predictions]:
    """Targets and predictions that give this matrix; counts are cut to keep them few."""
    pairs = [
        (true, predicted)
        for true, row in enumerate(matrix)
        for predicted, count in enumerate(row)
        for _ in range(count % 7)
    ]
    true = torch.tensor([pair[0] for pair in pairs], dtype=torch.int64)
    return true, predictions_of([pair[1] for pair in pairs])


@given(confusion_matrices)
def test_the_matrix_counts_true_classes_in_rows(matrix: list[list[int]]) -> None:
    counted = confusion_matrix(*answers(matrix))
    assert counted.dtype == np.int64
    np.testing.assert_array_equal(counted, np.array(matrix) % 7)


@given(confusion_matrices)
def test_scores_by_class_follow_from_the_matrix(matrix: list[list[int]]) -> None:
    counts = np.array(matrix) % 7
    for label, score in enumerate(class_scores(*answers(matrix))):
        right, true, predicted = counts[label, label], counts[label].sum(), counts[:, label].sum()
        assert score.name == CLASS_NAMES[label]
        assert score.count == true
        ratios = {
            "recall": (right, true),
            "precision": (right, predicted),
            "f1": (2 * right, true + predicted),
        }
        for name, (part, whole) in ratios.items():
            expected = part / whole if whole else math.nan
            assert getattr(score, name) == pytest.approx(expected, nan_ok=True), name
        assert score.recall_interval == wilson_interval(int(right), int(true))


@given(confusion_matrices)
def test_scores_and_matrix_are_those_of_scikit_learn_to_the_last_bit(
    matrix: list[list[int]],
) -> None:
    targets, predictions = answers(matrix)
    assume(len(targets) > 0)  # it refuses to score nothing
    found = class_scores(targets, predictions)
    pair = targets.numpy(), predictions.labels.numpy()
    precision, recall, f1, counts = sklearn.metrics.precision_recall_fscore_support(
        *pair, labels=range(10), zero_division=math.nan
    )
    np.testing.assert_array_equal([score.precision for score in found], precision)
    np.testing.assert_array_equal([score.recall for score in found], recall)
    np.testing.assert_array_equal([score.f1 for score in found], f1)
    assert [score.count for score in found] == counts.tolist()
    wanted = sklearn.metrics.confusion_matrix(*pair, labels=range(10))
    np.testing.assert_array_equal(confusion_matrix(targets, predictions), wanted)


def test_the_table_of_classes_is_aligned_and_fits_a_terminal() -> None:
    table = str(class_scores(torch.tensor([0, 0, 9]), predictions_of([0, 1, 9])))
    lines = table.split("\n")
    assert lines[0] == "class        precision  recall  95 % interval         f1  images"
    assert lines[2] == "T-shirt/top     1.0000  0.5000  0.0945 to 0.9055  0.6667       2"
    assert lines[3] == "Trouser         0.0000     nan  0.0000 to 1.0000  0.0000       0"
    assert len(lines) == 12
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 80


@given(confusion_matrices, st.integers(0, 100))
def test_the_most_confused_pairs_come_first(matrix: list[list[int]], n: int) -> None:
    counts = np.array(matrix)
    found = most_confused(counts, n)
    off_diagonal = sorted(counts[~np.eye(10, dtype=bool)], reverse=True)
    assert [pair.count for pair in found] == [c for c in off_diagonal[:n] if c > 0]
    for pair in found:
        row = counts[CLASS_NAMES.index(pair.true)]
        assert pair.true != pair.predicted
        assert pair.count == row[CLASS_NAMES.index(pair.predicted)]
        assert pair.fraction == pair.count / row.sum()


def test_equally_frequent_confusions_are_in_the_order_of_the_labels() -> None:
    matrix = np.zeros((10, 10), dtype=np.int64)
    matrix[6, 0] = matrix[0, 6] = matrix[0, 2] = 3
    matrix[0, 0] = 9
    assert most_confused(matrix) == (
        Confusion("T-shirt/top", "Pullover", 3, 0.2),
        Confusion("T-shirt/top", "Shirt", 3, 0.2),
        Confusion("Shirt", "T-shirt/top", 3, 1.0),
    )
    assert matrix[0, 0] == 9


def test_ten_times_nine_equal_confusions_are_read_row_by_row() -> None:
    found = most_confused(np.ones((10, 10), dtype=np.int64), 90)
    pairs = [(CLASS_NAMES.index(pair.true), CLASS_NAMES.index(pair.predicted)) for pair in found]
    assert pairs == [(i, j) for i in range(10) for j in range(10) if i != j]


# --- by image -------------------------------------------------------------------------------------


def test_the_surest_mistakes_come_first_and_equals_in_their_order() -> None:
    targets = torch.tensor([0, 1, 2, 3, 4, 5])
    predictions = predictions_of([0, 2, 3, 3, 9, 0], [0.99, 0.5, 0.7, 0.9, 0.7, 0.8])
    assert worst_mistakes(targets, predictions).tolist() == [5, 2, 4, 1]
    assert worst_mistakes(targets, predictions, 2).tolist() == [5, 2]
    assert worst_mistakes(targets, predictions, 0).tolist() == []


def test_a_thousand_equal_mistakes_keep_their_order() -> None:
    targets = torch.zeros(1000, dtype=torch.int64)
    rows = worst_mistakes(targets, predictions_of([1] * 1000, [0.5, 0.7] * 500), 1000)
    assert rows.tolist() == [*range(1, 1000, 2), *range(0, 1000, 2)]


@given(st.data())
def test_mistakes_are_all_wrong_and_in_falling_confidence(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 20))
    labels = st.lists(st.integers(0, 9), min_size=count, max_size=count)
    sure = st.lists(st.floats(0.25, 1.0, width=32), min_size=count, max_size=count)
    targets = torch.tensor(data.draw(labels), dtype=torch.int64)
    predictions = predictions_of(data.draw(labels), data.draw(sure))
    rows = worst_mistakes(targets, predictions, count)
    assert sorted(rows.tolist()) == (targets != predictions.labels).nonzero()[:, 0].tolist()
    confidence = predictions.confidence[rows]
    assert (confidence[1:] <= confidence[:-1]).all()


def test_asking_for_a_negative_number_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be negative: -1"):
        worst_mistakes(torch.tensor([1]), predictions_of([1]), -1)
    with pytest.raises(ConfigurationError, match="cannot be negative: -2"):
        most_confused(np.zeros((10, 10), dtype=np.int64), -2)


@pytest.mark.parametrize("judge", [confusion_matrix, class_scores, worst_mistakes])
def test_targets_of_other_images_are_refused(judge: Any) -> None:
    with pytest.raises(ConfigurationError, match="2 targets but 1 predictions"):
        judge(torch.tensor([1, 2]), predictions_of([1]))


@pytest.mark.parametrize("judge", [confusion_matrix, class_scores, worst_mistakes])
def test_labels_of_no_class_are_refused(judge: Any) -> None:
    with pytest.raises(ConfigurationError, match="targets must be from 0 to 9; one is 10"):
        judge(torch.tensor([1, 10]), predictions_of([1, 1]))
    with pytest.raises(ConfigurationError, match=r"predicted labels must be .* one is -1"):
        judge(torch.tensor([1]), Predictions(torch.tensor([-1]), torch.full((1, 10), 0.1)))


# --- in a notebook --------------------------------------------------------------------------------


def test_a_notebook_shows_metrics_with_their_interval() -> None:
    assert checked(Metrics(0.25, 0.9, 1000)._repr_html_()).rows == [
        ["loss", "0.2500"],
        ["accuracy", "0.9000"],
        ["95 % interval", "0.8798 to 0.9171"],
        ["images", "1,000"],
    ]


def test_a_notebook_shows_scores_as_the_text_table_does() -> None:
    scores = class_scores(torch.tensor([0, 0, 9]), predictions_of([0, 1, 9]))
    rows = checked(scores._repr_html_()).rows
    lines = str(scores).splitlines()
    shown = [line.split() for line in [lines[0], *lines[2:]]]
    assert [" ".join(row).split() for row in rows] == shown
    assert scores == tuple(scores)


def test_a_notebook_counts_predictions_and_shows_the_first() -> None:
    rows = checked(predictions_of([3, 3, 9, 0, 1, 2])._repr_html_()).rows
    assert rows[0] == ["class", *CLASS_NAMES]
    assert rows[1] == ["predicted", *"1112000001"]
    assert [row[:2] for row in rows[3:]] == [
        ["0", "Dress"],
        ["1", "Dress"],
        ["2", "Ankle boot"],
        ["3", "T-shirt/top"],
        ["4", "Trouser"],
    ]


def test_a_notebook_shows_predictions_of_other_classes_and_of_nothing() -> None:
    two = Predictions(torch.tensor([1]), torch.tensor([[0.25, 0.75]]))
    assert checked(two._repr_html_()).rows[-1] == ["0", "1", "0.7500"]
    none = Predictions(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 10))
    assert "Predictions for 0 images" in checked(none._repr_html_()).texts
