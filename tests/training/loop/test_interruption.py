from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.tiny import Recorder, same_weights, tiny_noisy, tiny_set

from fmnistlab.callbacks import BatchResult, BestWeights, Callback, Checkpointing, Run
from fmnistlab.errors import ConfigurationError, Terminated
from fmnistlab.training.checkpoints.folder import checkpoint_name, list_checkpoints
from fmnistlab.training.loop.interruption import Interruption, raise_on_termination
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

RECIPE = Recipe(epochs=3, batch_size=8)


@pytest.fixture(autouse=True)
def _default_handlers() -> Iterator[None]:
    """As in a fresh process; pytest may have set its own."""
    defaults: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in defaults.items()}
    yield
    for number, handler in before.items():
        assert signal.getsignal(number) is defaults[number]
        signal.signal(number, handler)


class Sends(Callback):
    """Sends signals to this very process after a step."""

    uses_model = False

    def __init__(self, step: int, number: signal.Signals, times: int = 1) -> None:
        self.step, self.number, self.times = step, number, times
        self.steps = 0

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        self.steps = run.step
        if run.step == self.step:
            for _ in range(self.times):
                signal.raise_signal(self.number)
            assert self.times == 1, "the second signal was not heeded at once"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (signal.SIGINT, KeyboardInterrupt),
        (signal.SIGTERM, Terminated),
        (signal.SIGHUP, Terminated),
    ],
)
@pytest.mark.parametrize("step", [1, 5, 7, 10, 15])
def test_a_signal_ends_the_fit_between_steps_and_the_next_fit_finishes_it(
    number: signal.Signals, kind: type[BaseException], step: int
) -> None:
    whole = Trainer(tiny_noisy(), RECIPE, device="cpu")
    whole.fit(tiny_set(), tiny_set(10))
    sends, recorder = Sends(step, number), Recorder()
    trainer = Trainer(
        tiny_noisy(), RECIPE, device="cpu", callbacks=[BestWeights(), sends, recorder]
    )
    with pytest.raises(kind) as raised:
        trainer.fit(tiny_set(), tiny_set(10))
    assert sends.steps == step
    assert recorder.calls[-2:] == ["on_error", "close"]
    if isinstance(raised.value, Terminated):
        assert raised.value.code == 128 + number
    trainer.fit(tiny_set(), tiny_set(10))
    assert [r.loss for r in trainer.history] == [r.loss for r in whole.history]
    best = min(whole.history, key=lambda record: record.val_loss or 0)
    if best.epoch == 3:
        assert same_weights(trainer.model, whole.model)


def test_a_signal_after_the_last_step_is_not_lost() -> None:
    class Late(Callback):
        def on_fit_end(self, run: Run) -> None:
            signal.raise_signal(signal.SIGINT)

    trainer = Trainer(tiny_noisy(), RECIPE, device="cpu", callbacks=[Late()])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(tiny_set())
    assert len(trainer.history) == 3


def test_a_second_signal_ends_it_at_once() -> None:
    sends = Sends(4, signal.SIGINT, times=2)
    trainer = Trainer(tiny_noisy(), RECIPE, device="cpu", callbacks=[sends])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(tiny_set())


def test_a_fit_of_another_length_is_not_begun_in_the_middle_of_an_epoch() -> None:
    trainer = Trainer(tiny_noisy(), RECIPE, device="cpu", callbacks=[Sends(3, signal.SIGINT)])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(tiny_set())
    with pytest.raises(ConfigurationError, match="in the middle of an epoch; call fit without"):
        trainer.fit(tiny_set(), epochs=1)
    assert len(trainer.fit(tiny_set())) == 3


def test_somebody_elses_handler_is_left_alone() -> None:
    heard: list[int] = []

    def theirs(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    signal.signal(signal.SIGINT, theirs)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGINT)
        assert not interruption.requested
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_outside_the_main_thread_nothing_is_touched() -> None:
    found: list[bool] = []

    def work() -> None:
        with Interruption() as interruption, raise_on_termination():
            found.append(interruption.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


def test_termination_can_be_caught_outside_of_a_fit() -> None:
    with pytest.raises(Terminated) as raised, raise_on_termination():
        signal.raise_signal(signal.SIGTERM)
    assert raised.value.code == 143


@pytest.mark.parametrize("step", [1, 5, 15])
def test_a_last_checkpoint_is_written_after_a_signal_and_only_then(
    step: int, tmp_path: Path
) -> None:
    never = 1_000
    trainer = Trainer(
        tiny_noisy(),
        RECIPE,
        device="cpu",
        callbacks=[
            Sends(step, signal.SIGINT),
            Checkpointing(tmp_path / "signal", every_steps=never),
        ],
    )
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(tiny_set())
    assert list_checkpoints(tmp_path / "signal") == [tmp_path / "signal" / checkpoint_name(step)]

    class Fails(Callback):
        def on_batch_end(self, run: Run, result: BatchResult) -> None:
            if run.step == step:
                raise RuntimeError("fails")

    saving = Checkpointing(tmp_path / "error", every_steps=never)
    with pytest.raises(RuntimeError, match="fails"):
        Trainer(tiny_noisy(), RECIPE, device="cpu", callbacks=[saving, Fails()]).fit(tiny_set())
    assert list_checkpoints(tmp_path / "error") == []
