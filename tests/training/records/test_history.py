from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.html_page import checked
from tests.strategies import any_float, finished_epochs, finite_float, json_values

from fmnistlab.errors import ConfigurationError, UnknownMetricError
from fmnistlab.training.records.history import EpochRecord, History


def record(epoch: int = 1, **changes: Any) -> EpochRecord:
    values: dict[str, Any] = {
        "loss": 0.5,
        "accuracy": 0.8,
        "learning_rate": 1e-3,
        "seconds": 2.0,
        "count": 48,
    }
    return EpochRecord(**{"epoch": epoch, **values, **changes})


def validated(epoch: int = 1, val_loss: float = 0.6, val_accuracy: float = 0.7) -> EpochRecord:
    return record(epoch, val_loss=val_loss, val_accuracy=val_accuracy, val_count=12)


def text_with(**changes: object) -> str:
    """The JSON of one validated epoch in which some fields were changed; ... drops the field."""
    fields = {**json.loads(History([validated()]).to_json())["epochs"][0], **changes}
    fields = {name: value for name, value in fields.items() if value is not ...}
    return json.dumps({"format": 1, "epochs": [fields]})


def bits(value: object) -> object:
    if isinstance(value, float):
        return struct.pack("d", math.nan if math.isnan(value) else value)
    return value


# --- EpochRecord ----------------------------------------------------------------------------------


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        record().loss = 0.0  # type: ignore[misc] # on purpose


def test_a_record_takes_keywords_only() -> None:
    with pytest.raises(TypeError):
        EpochRecord(1, 0.5, 0.8, 1e-3, 2.0, 48)  # type: ignore[call-arg] # on purpose


def test_epoch_zero_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="count from 1"):
        record(0)


def test_extra_metrics_without_a_validation_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"epoch 1.*belong together"):
        record(val_extra={"error": 0.5})


@pytest.mark.parametrize("name", ["loss", "accuracy", "count", "extra", "two words", "", "a\n"])
def test_an_extra_metric_cannot_have_the_name_of_a_field(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of an extra metric"):
        dataclasses.replace(validated(), val_extra={name: 0.5})


def test_a_record_knows_its_numbers_by_name_and_can_be_hashed() -> None:
    full = dataclasses.replace(validated(), val_extra={"error": 0.5})
    values = [full.value(name) for name in ("loss", "val_loss", "val_error", "epoch")]
    assert values == [0.5, 0.6, 0.5, 1]
    assert math.isnan(record().value("val_loss"))
    assert math.isnan(full.value("error"))
    assert {full, dataclasses.replace(full)} == {full}


@pytest.mark.parametrize("field", ["val_loss", "val_accuracy", "val_count"])
def test_half_a_validation_is_refused(field: str) -> None:
    change: dict[str, Any] = {field: None}
    with pytest.raises(ConfigurationError, match=r"epoch 1.*belong together"):
        dataclasses.replace(validated(), **change)


def test_a_record_says_whether_it_was_validated() -> None:
    assert validated().validated
    assert validated(val_loss=math.nan).validated
    assert not record().validated


# --- the sequence ---------------------------------------------------------------------------------


def test_a_history_is_a_sequence_of_its_records() -> None:
    records = [record(1), validated(2), record(3)]
    history = History(records)
    assert len(history) == 3
    assert list(history) == records
    assert history[0] == records[0]
    assert history[-1] == records[-1]
    assert history[1:] == tuple(records[1:])
    assert history.epoch == [1, 2, 3]
    assert records[1] in history


@pytest.mark.parametrize("epoch", [1, 3])
def test_the_next_epoch_must_follow_the_last_one(epoch: int) -> None:
    history = History([record(1)])
    with pytest.raises(ValueError, match=f"is 2, not {epoch}") as caught:
        history.append(record(epoch))
    assert isinstance(caught.value, ConfigurationError)
    assert len(history) == 1


def test_the_first_epoch_must_be_one() -> None:
    with pytest.raises(ConfigurationError, match="is 1, not 2"):
        History([record(2)])


def test_histories_are_equal_when_they_hold_the_same_numbers() -> None:
    assert History([validated(val_loss=math.nan)]) == History([validated(val_loss=math.nan)])
    assert History([record()]) != History([record(loss=0.5000001)])
    assert History([record()]) != History([])
    assert History() != []


def test_a_history_has_no_hash_because_it_grows() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(History())


@given(finished_epochs(numbers=finite_float))
def test_the_repr_of_a_history_builds_it_again(epochs: list[EpochRecord]) -> None:
    history = History(epochs)
    assert eval(repr(history), {"History": History, "EpochRecord": EpochRecord}) == history


# --- what Keras's users expect --------------------------------------------------------------------


def test_the_dictionary_has_no_validation_without_one() -> None:
    history = History([record(1), record(2, loss=0.25)])
    assert history.metric_names == ("loss", "accuracy")
    assert history.history == {
        "loss": [0.5, 0.25],
        "accuracy": [0.8, 0.8],
        "learning_rate": [1e-3, 1e-3],
        "seconds": [2.0, 2.0],
    }


def test_the_dictionary_has_nan_where_one_epoch_was_not_validated() -> None:
    history = History([record(1), validated(2)])
    assert history.metric_names == ("loss", "accuracy", "val_loss", "val_accuracy")
    assert math.isnan(history.history["val_loss"][0])
    assert history.history["val_loss"][1] == 0.6
    assert history.history["val_accuracy"][1] == 0.7


@given(finished_epochs())
def test_every_list_is_as_long_as_the_history(epochs: list[EpochRecord]) -> None:
    history = History(epochs)
    assert {len(values) for values in history.history.values()} == {len(history)}
    assert set(history.metric_names) <= set(history.history)


# --- best -----------------------------------------------------------------------------------------


def test_the_best_loss_is_the_smallest_and_the_best_accuracy_the_largest() -> None:
    history = History([validated(1, 0.6, 0.7), validated(2, 0.4, 0.8), validated(3, 0.5, 0.9)])
    assert history.best("val_loss").epoch == 2
    assert history.best("val_accuracy").epoch == 3


def test_the_earliest_of_equals_is_the_best() -> None:
    assert History([record(1), record(2)]).best("loss").epoch == 1
    assert History([record(1), record(2)]).best("accuracy").epoch == 1


def test_nan_loses_to_any_number_even_infinity() -> None:
    assert History([record(1, loss=math.nan), record(2, loss=math.inf)]).best("loss").epoch == 2
    worse = History([record(1, accuracy=math.nan), record(2, accuracy=0.0)])
    assert worse.best("accuracy").epoch == 2
    assert History([record(1), validated(2, math.inf)]).best("val_loss").epoch == 2


def test_a_history_of_nothing_but_nan_still_has_a_best_epoch() -> None:
    assert History([record(1, loss=math.nan), record(2, loss=math.nan)]).best("loss").epoch == 1


@given(finished_epochs(min_size=1, numbers=finite_float), st.sampled_from(["loss", "accuracy"]))
def test_no_epoch_beats_the_best(epochs: list[EpochRecord], metric: str) -> None:
    history = History(epochs)
    values = history.history[metric]
    assert getattr(history.best(metric), metric) == (max if "acc" in metric else min)(values)


def test_a_misspelt_metric_is_named_with_a_suggestion() -> None:
    with pytest.raises(UnknownMetricError, match=r"'val_los'.*'val_loss'.*It has loss, accuracy, "):
        History([validated()]).best("val_los")


def test_the_learning_rate_is_no_metric_to_be_best_in() -> None:
    with pytest.raises(UnknownMetricError, match="learning_rate"):
        History([record()]).best("learning_rate")


def test_asking_for_the_best_validation_without_one_says_so() -> None:
    with pytest.raises(UnknownMetricError, match="give fit a validation set"):
        History([record()]).best("val_loss")


def test_an_empty_history_has_no_best_epoch() -> None:
    with pytest.raises(UnknownMetricError, match="no epoch has finished"):
        History().best("loss")


# --- rows and JSON --------------------------------------------------------------------------------


def test_rows_go_straight_into_a_csv_file() -> None:
    rows = History([record(1), validated(2)]).to_rows()
    stream = io.StringIO()
    writer = csv.DictWriter(stream, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    assert stream.getvalue().splitlines() == [
        "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,count,val_count",
        "1,0.5,0.8,,,0.001,2.0,48,",
        "2,0.5,0.8,0.6,0.7,0.001,2.0,48,12",
    ]


@given(finished_epochs())
def test_json_gives_back_every_bit(epochs: list[EpochRecord]) -> None:
    history = History(epochs)
    again = History.from_json(history.to_json())
    assert again == history
    for row, row_again in zip(history.to_rows(), again.to_rows(), strict=True):
        assert {k: bits(v) for k, v in row.items()} == {k: bits(v) for k, v in row_again.items()}


@given(finished_epochs())
def test_the_json_is_strict_and_on_one_line(epochs: list[EpochRecord]) -> None:
    history = History(epochs)

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    json.loads(history.to_json(), parse_constant=refuse)
    assert "\n" not in history.to_json()


@given(any_float)
def test_all_floats_survive(value: float) -> None:
    (again,) = History.from_json(History([record(loss=value)]).to_json())
    assert bits(again.loss) == bits(value)


def test_a_whole_number_is_read_as_the_float_it_is() -> None:
    (again,) = History.from_json(text_with(loss=1))
    assert isinstance(again.loss, float)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the history: is not valid JSON.*line 1 column 1"),
        ("[" * 100_000, "more than 32 levels"),
        ("[]", r"must be an object, not \[\]"),
        ('{"epochs": []}', "lacks the key 'format'"),
        ('{"format": 2, "epochs": []}', r"newer version of fmnistlab \(format 2"),
        ('{"format": 0, "epochs": []}', "format: must be 1, not 0"),
        ('{"format": 1, "epochs": {}}', r"epochs: must be a list, not \{\}"),
        ('{"format": 1, "epochs": [3]}', r"epochs\[0\]: must be an object, not 3"),
        (text_with(loss="low"), r"epochs\[0\]\.loss: must be a number, not 'low'"),
        (text_with(loss="x" * 99), r"not 'x{56}\.\.\.\."),
        (text_with(loss=None), r"epochs\[0\]\.loss: must be a number, not None"),
        (text_with(loss=True), r"epochs\[0\]\.loss: must be a number, not True"),
        (text_with(loss=10**399), r"epochs\[0\]\.loss: is too large"),
        (text_with(loss=10**400), "a number has 401 digits"),
        (text_with(count=1.5), r"epochs\[0\]\.count: must be a whole number, not 1\.5"),
        (text_with(count="NaN"), r"epochs\[0\]\.count: must be a whole number"),
        (text_with(count=-1), r"epochs\[0\]\.count: must be from 0, not -1"),
        (text_with(val_count="3"), r"epochs\[0\]\.val_count: must be a whole number"),
        (text_with(val_count=-1), r"epochs\[0\]\.val_count: must be from 0, not -1"),
        (text_with(loss=...), r"epochs\[0\]: lacks the key 'loss'"),
        (text_with(los=1.0), r"epochs\[0\]: has the unknown key 'los'\. Did you mean 'loss'"),
        (text_with(val_loss=None), r"epochs\[0\]: epoch 1.*belong together"),
        (text_with(val_extra={"error": "low"}), r"\[0\]\.val_extra\.error: must be a number"),
        (text_with(val_extra={"loss": 1.0}), r"epochs\[0\]: epoch 1: val_extra has 'loss', which"),
        (text_with(val_extra=[]), r"epochs\[0\]\.val_extra: must be an object, not \[\]"),
        (text_with(val_extra=...), r"epochs\[0\]: lacks the key 'val_extra'"),
        (text_with(epoch=2), "next epoch of this history is 1, not 2"),
        ('{"format": 1, "epochs": [], "format": 1}', "the key 'format' stands there twice"),
    ],
)
def test_a_damaged_text_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        History.from_json(text)


@given(st.sampled_from([f.name for f in dataclasses.fields(EpochRecord)]), json_values)
def test_any_value_in_any_field_is_read_or_refused(field: str, value: object) -> None:
    try:
        history = History.from_json(text_with(**{field: value}))
    except ConfigurationError:
        return
    assert History.from_json(history.to_json()) == history


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        History.from_json(text)


# --- in a notebook --------------------------------------------------------------------------------


@given(finished_epochs(max_size=30))
def test_a_notebook_shows_every_history(records: list[EpochRecord]) -> None:
    history = History(records)
    rows = checked(history._repr_html_()).rows
    shown = [*history.epoch[:10], *history.epoch[10:][-10:]]
    assert [row[0] for row in rows] == (["epoch", *map(str, shown)] if shown else ["epochs"])


def test_a_notebook_shows_the_epochs_and_the_best_of_them() -> None:
    records = [record(epoch=1), record(epoch=2, val_loss=0.5, val_accuracy=0.9, val_count=12)]
    page = checked(History(records)._repr_html_())
    assert page.texts[0] == "2 epochs, the best val_accuracy 0.9000 after epoch 2"
    names = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    assert page.rows[0] == ["epoch", *names, "seconds"]
    assert [row[3:5] for row in page.rows[1:]] == [["-", "-"], ["0.5000", "0.9000"]]


def test_the_middle_of_a_long_history_is_left_out() -> None:
    page = checked(History(record(epoch=epoch) for epoch in range(1, 31))._repr_html_())
    assert len(page.rows) == 1 + 20
    assert page.texts[-1] == "10 epochs in the middle are left out."
