from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import Recorder, tiny_linear, tiny_set

from fmnistlab.callbacks import Callback, DevicePlacement, HistoryRecorder
from fmnistlab.errors import ConfigurationError
from fmnistlab.training.callbacks.base import HOOKS
from fmnistlab.training.callbacks.run import BatchResult, Run
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.trainer import Trainer

SMALL = Recipe(epochs=2, batch_size=8)
BATCHES = 5


def contract(epochs: int = 2, batches: int = BATCHES) -> list[str]:
    """The calls of a fit without errors, as Trainer.fit's docstring promises them."""
    epoch = ["on_epoch_start", *["on_batch_end"] * batches, "on_epoch_end"]
    return ["on_setup", "on_fit_start", *epoch * epochs, "on_fit_end", "close"]


class Failing(Recorder):
    """Raises at its n-th call, counted over all hooks."""

    def __init__(self, calls: list[str], fail_at: int, error: BaseException) -> None:
        super().__init__(calls)
        self.fail_at, self.error = fail_at, error

    def note(self, hook: str) -> None:
        super().note(hook)
        if len(self.calls) == self.fail_at:
            raise self.error


def test_the_seven_hooks() -> None:
    assert HOOKS == (
        "on_setup",
        "on_fit_start",
        "on_epoch_start",
        "on_batch_end",
        "on_epoch_end",
        "on_fit_end",
        "on_error",
    )


def test_a_fit_calls_the_hooks_in_the_promised_order() -> None:
    recorder = Recorder()
    Trainer(tiny_linear(), SMALL, callbacks=[recorder]).fit(tiny_set(), tiny_set())
    assert recorder.calls == contract()


@settings(max_examples=40)
@given(
    fail_at=st.integers(1, len(contract()) - 1),
    kind=st.sampled_from([ValueError, KeyboardInterrupt, SystemExit, GeneratorExit]),
    place=st.integers(0, 2),
)
def test_the_order_holds_under_an_error_at_any_point(
    fail_at: int, kind: type[BaseException], place: int
) -> None:
    error = kind("planted")
    failing = Failing([], fail_at, error)
    watchers = [Recorder(), Recorder()]
    callbacks: list[Callback] = [*watchers[:place], failing, *watchers[place:]]
    trainer = Trainer(tiny_linear(), SMALL, callbacks=callbacks)
    with pytest.raises(kind) as raised:
        trainer.fit(tiny_set(), tiny_set())
    assert raised.value is error
    expected = contract()[:fail_at]
    assert failing.calls == [*expected, "on_error", "close"]
    for index, watcher in enumerate(watchers):
        heard = expected if index < place else expected[:-1]
        assert watcher.calls == [*heard, "on_error", "close"]
    finished = expected.count("on_epoch_end")
    assert len(trainer.history) == finished


@given(st.sets(st.sampled_from(["on_error", "close"]), min_size=1), st.booleans())
def test_errors_on_the_way_out_do_not_hide_the_first_one(where: set[str], other: bool) -> None:
    class Bad(Recorder):
        def note(self, hook: str) -> None:
            super().note(hook)
            if hook == "on_fit_start":
                raise ValueError("first")
            if hook in where:
                raise (KeyError if other else SystemExit)("later")

    bad, watcher = Bad(), Recorder()
    with pytest.raises(ValueError, match="first") as raised:
        Trainer(tiny_linear(), SMALL, callbacks=[bad, watcher]).fit(tiny_set())
    assert watcher.calls[-2:] == ["on_error", "close"]
    assert len(raised.value.__notes__) == len(where)


def test_a_note_is_printable_even_if_its_error_cannot_print_itself() -> None:
    class MuteError(Exception):
        def __repr__(self) -> str:
            raise ValueError

        __str__ = __repr__

    class Bad(Recorder):
        def note(self, hook: str) -> None:
            if hook == "on_fit_start":
                raise ValueError("first")
            if hook == "on_error":
                raise MuteError
            if hook == "close":
                raise KeyError("a\x1b[2J")

    with pytest.raises(ValueError, match="first") as raised:
        Trainer(tiny_linear(), SMALL, callbacks=[Bad()]).fit(tiny_set())
    assert [note.split("this one: ")[1] for note in raised.value.__notes__] == [
        "MuteError: (its text cannot be shown)",
        r"KeyError: 'a\x1b[2J'",
    ]


def test_a_close_that_fails_after_success_is_raised_after_all_are_closed() -> None:
    class Bad(Recorder):
        def note(self, hook: str) -> None:
            super().note(hook)
            if hook == "close":
                raise ValueError(self.name)

    first, second, watcher = Bad(name="first"), Bad(name="second"), Recorder()
    trainer = Trainer(tiny_linear(), SMALL, callbacks=[first, second, watcher])
    with pytest.raises(ValueError, match="first") as raised:
        trainer.fit(tiny_set())
    assert watcher.calls[-1] == "close"
    assert "second" in raised.value.__notes__[0]


def test_the_history_is_complete_before_any_callback_hears_of_the_epoch() -> None:
    seen: list[tuple[int, bool]] = []

    class Reader(Callback):
        def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
            seen.append((len(run.history), run.history[-1] is record))

    Trainer(tiny_linear(), SMALL, callbacks=[Reader()]).fit(tiny_set())
    assert seen == [(1, True), (2, True)]


def test_the_run_tells_where_the_fit_is() -> None:
    seen: list[tuple[int, int, int, int | None]] = []

    class Reader(Callback):
        def on_fit_start(self, run: Run) -> None:
            assert run.metric_names == ("loss", "accuracy", "val_loss", "val_accuracy")
            assert (run.seed, run.recipe) == (4, SMALL)
            assert run.device.type == "cpu"
            assert run.running_metrics().count == 0

        def on_batch_end(self, run: Run, result: BatchResult) -> None:
            assert (result.epoch, result.step) == (run.epoch, run.step)
            assert run.running_metrics().count == 8 * result.batch
            assert result.logits.shape == (8, 10)
            assert not result.loss.requires_grad
            assert not result.logits.requires_grad
            seen.append((run.epoch, result.batch, run.step, run.steps_per_epoch))

    trainer = Trainer(tiny_linear(), SMALL, seed=4, callbacks=[Reader()])
    trainer.fit(tiny_set(), tiny_set())
    trainer.fit(tiny_set(), tiny_set(), epochs=1)
    assert seen == [(1 + n // 5, 1 + n % 5, n + 1, 5) for n in range(15)]


def test_nothing_is_built_before_setup_is_over() -> None:
    class Eager(Callback):
        def on_error(self, run: Run, error: BaseException) -> None:
            for part in ("optimizer", "device"):
                with pytest.raises(ConfigurationError, match="before on_fit_start"):
                    getattr(run, part)

    class Failing(Callback):
        def on_setup(self, setup: object) -> None:
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the planted one
        Trainer(tiny_linear(), SMALL, callbacks=[Failing(), Eager()]).fit(tiny_set())


def test_stopping_is_a_latch_that_keeps_the_first_reason() -> None:
    class Stopper(Callback):
        def on_batch_end(self, run: Run, result: BatchResult) -> None:
            run.stop(f"step {result.step}")

        def on_fit_end(self, run: Run) -> None:
            self.reason = run.stop_reason

    stopper, recorder = Stopper(), Recorder()
    trainer = Trainer(tiny_linear(), SMALL, callbacks=[stopper, recorder])
    trainer.fit(tiny_set())
    assert stopper.reason == trainer.stop_reason == "step 1"
    assert recorder.calls == contract(epochs=1)
    assert len(trainer.fit(tiny_set())) == 2  # the next fit is not stopped by the last one's latch


class Misspelt(Callback):
    def on_epochs_end(self, run: Run) -> None:
        """No trainer would call this."""


class TooFew(Callback):
    def on_epoch_end(self, run: Run) -> None:  # type: ignore[override] # on purpose
        """One argument is missing."""


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (Misspelt(), r"Misspelt.on_epochs_end is not a hook.*Did you mean 'on_epoch_end'"),
        (TooFew(), r"TooFew.on_epoch_end must take \(self, run, record\)"),
    ],
)
def test_a_callback_that_could_not_work_is_refused_at_once(callback: Callback, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Trainer(tiny_linear(), callbacks=[callback])


@pytest.mark.parametrize(
    ("thing", "words"),
    [(object(), "object is not a Callback; subclass"), (Recorder, "not the class")],
)
def test_what_is_no_callback_is_refused(thing: object, words: str) -> None:
    from fmnistlab.training.callbacks.base import check_callback

    with pytest.raises(ConfigurationError, match=words):
        check_callback(thing)


def test_device_and_history_come_first_and_batches_are_free_if_nobody_listens() -> None:
    dispatch = Trainer(tiny_linear(), callbacks=[Recorder()])._dispatch
    kinds = [type(callback) for callback in dispatch._callbacks]
    assert kinds == [DevicePlacement, HistoryRecorder, Recorder]
    assert dispatch.listens("on_batch_end")
    assert not Trainer(tiny_linear())._dispatch.listens("on_batch_end")
