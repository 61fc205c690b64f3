from __future__ import annotations

import csv
import io
import logging
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import same_weights, tiny_linear, tiny_set

from fmnistlab.callbacks import (
    BestWeights,
    Callback,
    CsvLog,
    EarlyStopping,
    LogLines,
    ProgressBar,
)
from fmnistlab.errors import ConfigurationError, UnknownMetricError
from fmnistlab.training.callbacks.monitor import Monitor
from fmnistlab.training.callbacks.run import Run, RunState
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.records.history import History
from fmnistlab.training.trainer import Trainer

SMALL = Recipe(epochs=3, batch_size=8)


def record(epoch: int, val_loss: float, val_accuracy: float = 0.5) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        loss=1.0,
        accuracy=0.5,
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        val_count=1,
        learning_rate=0.1,
        seconds=1.0,
        count=1,
    )


def run_of(model: torch.nn.Module) -> Run:
    return Run(
        RunState(
            model=model,
            recipe=SMALL,
            seed=0,
            history=History(),
            last_epoch=99,
            validates=True,
        )
    )


def play(callback: Callback, values: list[float]) -> tuple[Run, int, torch.nn.Module]:
    """Lets a callback see these validation losses; the model's bias is the epoch's number."""
    model = tiny_linear()
    run = run_of(model)
    callback.on_fit_start(run)
    for epoch, value in enumerate(values, start=1):
        model.get_parameter("1.bias").data.fill_(epoch)
        callback.on_epoch_end(run, record(epoch, value))
        if run.stop_reason is not None:
            return run, epoch, model
    return run, len(values), model


def bias(model: torch.nn.Module) -> float:
    return float(model.get_parameter("1.bias").detach()[0])


LOSSES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, float("nan")]), min_size=1, max_size=12)


def best_epoch(values: list[float], min_delta: float = 0.0) -> int | None:
    best: int | None = None
    for epoch, value in enumerate(values, start=1):
        if not math.isnan(value) and (best is None or values[best - 1] - value > min_delta):
            best = epoch
    return best


@settings(max_examples=60)
@given(LOSSES, st.integers(1, 4), st.sampled_from([0.0, 0.15]))
def test_early_stopping_waits_and_then_restores_the_best(
    values: list[float], patience: int, min_delta: float
) -> None:
    callback = EarlyStopping(patience=patience, min_delta=min_delta)
    run, last, model = play(callback, values)
    best = best_epoch(values[:last], min_delta)
    waited = last - (best or 0)
    assert (run.stop_reason is not None) == (waited >= patience)
    callback.on_fit_end(run)
    assert bias(model) == (best or last)


@given(LOSSES)
def test_best_weights_restore_the_best_epoch_also_after_an_error(values: list[float]) -> None:
    callback = BestWeights()
    run, last, model = play(callback, values)
    callback.on_error(run, KeyboardInterrupt())
    assert callback.best_epoch == best_epoch(values)
    assert bias(model) == (best_epoch(values) or last)


def test_accuracies_are_best_when_large() -> None:
    monitor = Monitor("val_accuracy")
    monitor.start(run_of(tiny_linear()))
    improved = [monitor.improved(record(1, 1.0, accuracy)) for accuracy in (0.5, 0.4, 0.6, 0.6)]
    assert improved == [True, False, True, False]


def test_early_stopping_ends_a_real_fit_with_the_best_weights() -> None:
    trainer = Trainer(
        tiny_linear(),
        SMALL.replace(epochs=50, learning_rate=0.5),
        callbacks=[EarlyStopping(patience=2)],
    )
    history = trainer.fit(tiny_set(), tiny_set(16, seed=5))
    best = history.best("val_loss")
    assert len(history) == best.epoch + 2 < 50
    # During a fit the weights may lie otherwise, and their products be rounded otherwise.
    loss = trainer.evaluate(tiny_set(16, seed=5)).loss
    assert loss == pytest.approx(best.val_loss, rel=1e-5)


def test_without_restoring_the_last_weights_stay() -> None:
    callback = EarlyStopping(patience=1, restore_best=False)
    run, last, model = play(callback, [0.1, 0.2])
    callback.on_fit_end(run)
    callback.on_error(run, ValueError())
    assert bias(model) == last == 2


@pytest.mark.parametrize("make", [EarlyStopping, BestWeights])
@pytest.mark.parametrize(
    ("metric", "valid", "words"),
    [
        ("val_los", True, "Did you mean 'val_loss'"),
        ("val_loss", False, "Give fit a validation set"),
        ("f1", True, "It has loss, accuracy, val_loss, val_accuracy"),
    ],
)
def test_an_unknown_metric_fails_before_the_first_epoch(
    make: type[EarlyStopping], metric: str, valid: bool, words: str
) -> None:
    trainer = Trainer(tiny_linear(), SMALL, callbacks=[make(metric)])
    with pytest.raises(UnknownMetricError, match=words):
        trainer.fit(tiny_set(), tiny_set() if valid else None)
    assert len(trainer.history) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping(patience=0),
        lambda: EarlyStopping(min_delta=-1.0),
        lambda: BestWeights(min_delta=float("nan")),
        lambda: LogLines(every=0),
    ],
)
def test_impossible_settings_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError):
        make()


def test_log_lines_come_every_few_batches(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fmnistlab")
    trainer = Trainer(tiny_linear(), SMALL, callbacks=[LogLines(every=2)])
    history = trainer.fit(tiny_set(), tiny_set(), epochs=1)
    lines = [entry.getMessage() for entry in caplog.records if entry.name == "fmnistlab.training"]
    assert len(lines) == 3
    assert lines[0].startswith("epoch 1/1, batch 2/5: loss ")
    assert lines[1].startswith("epoch 1/1, batch 4/5: loss ")
    assert lines[2].startswith(f"epoch 1/1: loss {history[0].loss:.4f}, accuracy ")
    assert f"val_loss {history[0].val_loss:.4f}" in lines[2]


def test_log_lines_without_validation_say_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fmnistlab")
    Trainer(tiny_linear(), SMALL, callbacks=[LogLines()]).fit(tiny_set(), epochs=1)
    assert "val_" not in caplog.text


def test_the_csv_log_holds_every_epoch_of_every_fit(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    trainer = Trainer(tiny_linear(), SMALL, callbacks=[CsvLog(path)])
    trainer.fit(tiny_set(), tiny_set(), epochs=2)
    trainer.fit(tiny_set(), epochs=1)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row, epoch in zip(rows, trainer.history, strict=True):
        assert float(row["loss"]) == epoch.loss
        assert row["val_loss"] == ("" if epoch.val_loss is None else str(epoch.val_loss))


def test_the_csv_log_is_written_at_once_and_closed_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = CsvLog(path)

    class Peek(Callback):
        def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
            assert len(path.read_text().splitlines()) == 1 + record.epoch
            if record.epoch == 2:
                raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        Trainer(tiny_linear(), SMALL, callbacks=[log, Peek()]).fit(tiny_set())
    assert log._stream is None
    log.on_epoch_end(run_of(tiny_linear()), record(3, 0.1))  # closed: nothing happens
    assert len(path.read_text().splitlines()) == 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_bar_counts_steps_on_a_terminal() -> None:
    terminal = Terminal()
    trainer = Trainer(tiny_linear(), SMALL, callbacks=[ProgressBar(terminal)])
    trainer.fit(tiny_set(), tiny_set())
    drawn = terminal.getvalue()
    assert "epoch 3/3" in drawn
    assert "15/15" in drawn
    assert "val_accuracy=" in drawn


def test_the_progress_bar_is_silent_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    Trainer(tiny_linear(), SMALL, callbacks=[ProgressBar(stream), ProgressBar()]).fit(tiny_set())
    assert stream.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_the_progress_bar_goes_away_after_an_error() -> None:
    bar = ProgressBar(Terminal())

    class Failing(Callback):
        def on_batch_end(self, run: Run, result: object) -> None:
            raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        Trainer(tiny_linear(), SMALL, callbacks=[bar, Failing()]).fit(tiny_set())
    assert bar._bar is None


def test_same_weights_can_tell() -> None:
    assert same_weights(tiny_linear(), tiny_linear())
    assert not same_weights(tiny_linear(), tiny_linear(seed=1))
