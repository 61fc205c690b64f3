"""A callback that raises, in any hook and in any way: others are closed, its error is kept."""

from __future__ import annotations

from tests.faults import trial
from tests.faults.score import Drill, Score

from fmnistlab.testing import RecordingCallback
from fmnistlab.training.callbacks.base import HOOKS

ERRORS = (ValueError, MemoryError, SystemExit, KeyboardInterrupt, GeneratorExit)
PLACES = [hook for hook in (*HOOKS, "close") if hook != "on_error"]


class _Raising(RecordingCallback):
    def __init__(self, hook: str, error: BaseException) -> None:
        super().__init__()
        self._hook, self._error = hook, error

    def note(self, hook: str) -> None:
        super().note(hook)
        if hook == self._hook:
            raise self._error


def run(trials: int, seed: int) -> Score:
    """Raises every kind of error in every hook."""
    score = Score()
    for kind in ERRORS:
        for hook in PLACES:
            planted = kind("planted")
            before, culprit, after = (
                RecordingCallback(),
                _Raising(hook, planted),
                RecordingCallback(),
            )
            made = trial.trainer(trial.RECIPE, before, culprit, after)
            raised: BaseException | None = None
            try:
                made.fit(*trial.data())
            except BaseException as error:  # noqa: BLE001 - every kind is planted
                raised = error
            closed = all(c.calls.count("close") == 1 for c in (before, culprit, after))
            told = hook == "close" or all(c.calls.count("on_error") == 1 for c in (before, after))
            epochs = {"on_fit_end": 3, "close": 3, "on_epoch_end": 1}.get(hook, 0)
            good = raised is planted and closed and told and len(made.history) == epochs
            what = f"{kind.__name__} in {hook}: raised {raised!r}, {before.calls[-2:]}"
            score.count(good=good, trial=what)
    return score


DRILL = Drill(
    "a callback that raises: others closed, its error and the history kept",
    run,
    short=len(ERRORS) * len(PLACES),
    long=len(ERRORS) * len(PLACES),
)
