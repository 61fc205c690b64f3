"""A callback that raises, in any hook and in any way: others are closed, its error is kept."""

from __future__ import annotations

import itertools

from tests.faults import trial
from tests.faults.score import Drill, Score
from tests.faults.side_by_side import tried

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
    pairs = [*itertools.product(ERRORS, PLACES)]
    trial.uninterrupted()  # what torch imports for the first training, all processes share

    def one(number: int, score: Score) -> None:
        kind, hook = pairs[number]
        problem = _problem(kind("planted"), hook)
        score.count(good=not problem, trial=f"{kind.__name__} in {hook}: {problem}")

    return tried(one, trials, each=len(PLACES))


def _problem(planted: BaseException, hook: str) -> str:
    """Returns what went wrong, or ""."""
    before, culprit, after = RecordingCallback(), _Raising(hook, planted), RecordingCallback()
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
    return "" if good else f"raised {raised!r}, {before.calls[-2:]}"


DRILL = Drill(
    "a callback that raises: others closed, its error and the history kept",
    run,
    short=len(ERRORS) * len(PLACES),
    long=len(ERRORS) * len(PLACES),
)
