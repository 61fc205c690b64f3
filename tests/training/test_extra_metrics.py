"""Extra metrics in a fit: measured on the validation set, kept, watched, gone on with."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score, matthews_corrcoef, zero_one_loss
from tests.tiny import Items, tiny_linear, tiny_noisy, tiny_set
from torch import Tensor
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader, TensorDataset

from fmnistlab.callbacks import (
    BestWeights,
    Callback,
    Checkpointing,
    CsvLog,
    EarlyStopping,
    LogLines,
)
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.errors import CheckpointError, ConfigurationError, UnknownMetricError
from fmnistlab.metrics import History
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.01)
VALID = tiny_set(23, seed=5)


def middle(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.gather(1, labels.unsqueeze(1)).median()


class Largest:
    """The largest score of all, as an object."""

    higher_is_better = True

    def reset(self) -> None:
        self.found = -math.inf

    def update(self, logits: Tensor, labels: Tensor) -> None:
        self.found = max(self.found, float(logits.max()))

    def compute(self) -> float:
        return self.found


def trainer_with(*metrics: Any, **options: Any) -> Trainer:
    return Trainer(tiny_linear(), RECIPE, metrics=metrics, **options)


def test_every_form_of_a_history_has_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fmnistlab.training")
    log = tmp_path / "log.csv"
    trainer = trainer_with("macro_f1", middle, Largest(), callbacks=[CsvLog(log), LogLines()])
    history = trainer.fit(tiny_set(), VALID)
    names = ("val_macro_f1", "val_middle", "val_largest")
    assert history.metric_names == ("loss", "accuracy", "val_loss", "val_accuracy", *names)
    predicted = trainer.predict(VALID).labels
    wanted = f1_score(VALID.tensors[1], predicted, average="macro")
    assert history[-1].value("val_macro_f1") == pytest.approx(wanted)
    with log.open() as stream:
        rows = [*csv.DictReader(stream)]
    for name in names:
        values = [record.val_extra[name.removeprefix("val_")] for record in history]
        assert history.history[name] == values
        assert [row[name] for row in history.to_rows()] == values
        assert [float(row[name]) for row in rows] == values
    assert History.from_json(history.to_json()) == history
    assert f"val_macro_f1 {wanted:.4f}, val_middle" in caplog.text


def test_they_are_not_measured_on_the_training_pass_and_not_without_a_validation_set() -> None:
    passes: list[int] = []

    def noting(logits: Tensor, labels: Tensor) -> int:
        passes.append(len(labels))
        return 0

    trainer = trainer_with(noting)
    trainer.fit(tiny_set(40), VALID)
    tried, *measured = passes
    assert tried == 40  # four of each class, made up
    assert measured == [23] * 3
    del passes[:]
    without = trainer_with(noting)
    assert without.fit(tiny_set(40)).metric_names == ("loss", "accuracy")
    assert passes == [40]
    assert without.evaluate(VALID).extra == {"noting": 0.0}


@settings(max_examples=20)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_an_evaluation_does_not_depend_on_the_cut(sizes: list[int]) -> None:
    count = sum(sizes)
    data = tiny_set(count, seed=1)
    bounds = torch.arange(count).split(sizes)
    loader = DataLoader(Items(data), batch_sampler=[part.tolist() for part in bounds])
    trainer = trainer_with("top_2_accuracy", "macro_f1", middle)
    whole, cut = trainer.evaluate(data), trainer.evaluate(loader)
    assert whole.extra == pytest.approx(cut.extra, abs=1e-6)
    assert [*whole.extra] == ["top_2_accuracy", "macro_f1", "middle"]


def test_on_the_real_images_they_are_those_of_scikit_learn() -> None:
    fit_set, valid_set = FashionMNISTCSV.bundled("test").select(range(3000)).split()
    names = ["macro_f1", "balanced_accuracy", "matthews_corrcoef", "error"]
    trainer = Trainer("linearnet", RECIPE, metrics=names, device="cpu")
    record = trainer.fit(fit_set, valid_set, epochs=1)[0]
    true, predicted = valid_set.targets, trainer.predict(valid_set).labels
    wanted = {
        "macro_f1": f1_score(true, predicted, average="macro"),
        "balanced_accuracy": balanced_accuracy_score(true, predicted),
        "matthews_corrcoef": matthews_corrcoef(true, predicted),
        "error": zero_one_loss(true, predicted),
    }
    assert record.val_extra == pytest.approx(wanted)
    assert record.val_extra["error"] < 0.6


def test_ignored_labels_are_left_out_and_one_hot_ones_are_classes() -> None:
    images, labels = VALID.tensors
    trainer = trainer_with("macro_f1", "error", middle)
    wanted = trainer.evaluate(TensorDataset(images[:20], labels[:20]))
    ignored = TensorDataset(images, torch.cat([labels[:20], torch.full((3,), -100)]))
    assert trainer.evaluate(ignored).extra == pytest.approx(wanted.extra)
    rows = TensorDataset(images[:20], one_hot(labels[:20], 10).to(torch.float32))
    assert trainer_with("macro_f1", "error", middle).evaluate(rows).extra == wanted.extra
    nothing = trainer.evaluate(TensorDataset(images, torch.full((23,), -100)))
    assert all(map(math.isnan, nothing.extra.values()))


def failing(logits: Tensor, labels: Tensor) -> float:
    raise RuntimeError("no")


def test_a_metric_that_cannot_be_is_refused_before_the_first_step() -> None:
    trainer = trainer_with(failing)
    before = tiny_linear().state_dict()
    for call in (lambda: trainer.fit(tiny_set(), VALID), lambda: trainer.evaluate(VALID)):
        with pytest.raises(ConfigurationError, match=r"^The metric failing fails"):
            call()
    assert len(trainer.history) == 0
    now = trainer.model.state_dict()
    assert all(torch.equal(now[name], before[name]) for name in before)


WATCHERS: list[Callable[..., Callback]] = [EarlyStopping, BestWeights]


@pytest.mark.parametrize("watcher", WATCHERS)
@pytest.mark.parametrize(
    ("metric", "options", "said"),
    [
        ("val_middle", {}, 'best val_middle .* not known; say mode="min"'),
        ("val_error", {"mode": "max"}, 'best val_error is the smallest one, not mode="max"'),
        ("val_largest", {"mode": "min"}, "best val_largest is the largest one"),
        ("val_accuracy", {"mode": "min"}, "leave mode out"),
        ("val_eror", {}, "Did you mean 'val_error'"),
        ("error", {}, "Did you mean 'val_error'"),
    ],
)
def test_what_cannot_be_watched_is_refused_before_the_first_step(
    watcher: Callable[..., Callback], metric: str, options: dict[str, Any], said: str
) -> None:
    callbacks = [watcher(metric, **options)]
    trainer = trainer_with("error", middle, Largest(), callbacks=callbacks)
    with pytest.raises(ConfigurationError, match=said):
        trainer.fit(tiny_set(), VALID)
    assert len(trainer.history) == 0


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize("watcher", WATCHERS)
def test_there_are_two_modes(watcher: Callable[..., Callback]) -> None:
    with pytest.raises(ConfigurationError, match=r"^mode is 'up'; use"):
        watcher("val_middle", mode="up")


@pytest.mark.parametrize(
    ("metric", "options"),
    [
        ("val_error", {}),
        ("val_macro_f1", {}),
        ("val_macro_f1", {"mode": "max"}),
        ("val_largest", {}),
        ("val_middle", {"mode": "max"}),
        ("val_middle", {"mode": "min"}),
    ],
)
def test_callbacks_watch_them(metric: str, options: dict[str, Any]) -> None:
    watcher = BestWeights(metric, **options)
    stopping = EarlyStopping(metric, patience=99, **options)
    trainer = trainer_with(*("error", "macro_f1", middle, Largest()), callbacks=[watcher, stopping])
    history = trainer.fit(tiny_set(), VALID, epochs=6)
    values = history.history[metric]
    smallest = metric == "val_error" or options.get("mode") == "min"
    wanted = (min if smallest else max)(values)
    assert watcher.best_epoch == values.index(wanted) + 1
    mode = options.get("mode", "max" if metric == "val_largest" else None)
    assert history.best(metric, mode).epoch == watcher.best_epoch


def test_a_history_is_told_which_values_of_a_function_are_best() -> None:
    history = trainer_with(middle).fit(tiny_set(), VALID)
    with pytest.raises(ConfigurationError, match="say mode="):
        history.best("val_middle")
    with pytest.raises(ConfigurationError, match="leave mode out"):
        history.best("val_loss", "max")
    with pytest.raises(UnknownMetricError, match="no metric 'val_error'"):
        history.best("val_error")


def test_epochs_without_a_metric_have_none() -> None:
    trainer = trainer_with("error")
    trainer.fit(tiny_set(), epochs=1)
    history = trainer.fit(tiny_set(), VALID, epochs=1)
    assert math.isnan(history.history["val_error"][0])
    assert [row["val_error"] for row in history.to_rows()] == [None, history[1].value("val_error")]
    assert history.best("val_error").epoch == 2


@pytest.mark.parametrize("step", [1, 5, 7, 10, 14])
def test_a_resumed_fit_measures_the_same_bits(step: int, tmp_path: Path) -> None:
    def fitting(*callbacks: Callback) -> Trainer:
        chosen: list[Any] = ["macro_f1", middle, Largest()]
        stopping = EarlyStopping("val_middle", mode="max", patience=2)
        return Trainer(tiny_noisy(), RECIPE, metrics=chosen, callbacks=[*callbacks, stopping])

    whole = fitting(Checkpointing(tmp_path, every_steps=1, keep=99))
    whole.fit(tiny_set(), VALID)
    path = tmp_path / f"step-{step:08}.safetensors"
    resumed = fitting()
    resumed.fit(tiny_set(), VALID, resume_from=path)

    def numbers(history: History) -> list[dict[str, Any]]:
        return [{**row, "seconds": 0} for row in history.to_rows()]

    assert numbers(resumed.history) == numbers(whole.history)
    for others in list[Any]([[], ["macro_f1"], ["macro_f1", middle, "error"]]):
        other = Trainer(tiny_noisy(), RECIPE, metrics=others)
        with pytest.raises(CheckpointError, match="a training with metrics"):
            other.fit(tiny_set(), VALID, resume_from=path)


def test_a_file_holds_names_and_asks_for_functions(tmp_path: Path) -> None:
    named = trainer_with("macro_f1", "error")
    named.fit(tiny_set(), VALID, epochs=1)
    path = tmp_path / "named.safetensors"
    named.save(path)
    again = Trainer.load(path, model=tiny_linear())
    assert again.evaluate(VALID).extra == pytest.approx(named.evaluate(VALID).extra)
    assert [*Trainer.load(path, model=tiny_linear(), metrics=[]).evaluate(VALID).extra] == []

    own = trainer_with("error", middle)
    with pytest.raises(CheckpointError, match=r"metrics of your own, middle \(.*middle\), .*=\[\]"):
        Trainer.load(own.to_bytes(), model=tiny_linear())
    told = Trainer.load(own.to_bytes(), model=tiny_linear(), metrics=["error", middle])
    assert told.fit(tiny_set(), VALID, epochs=1)[0].val_extra.keys() == {"error", "middle"}


def test_damaged_metrics_in_a_file_are_a_damaged_file() -> None:
    trainer = trainer_with("error")
    for odd in ([3], [{"code": "x"}], [["error"]], [{"name": 3}]):
        trainer._extra.described = odd
        with pytest.raises(CheckpointError):
            Trainer.load(trainer.to_bytes(), model=tiny_linear())
