"""What is proposed depends on the seed and the trials before, on no interruption."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnistlab.errors import RunFolderError
from fmnistlab.experiments.searching.optuna_study import (
    JOURNAL,
    Journal,
    MedianTrial,
    Round,
    settings_of,
    state_of,
)
from fmnistlab.experiments.searching.space import read_space

SPACE = read_space(
    {
        "learning_rate": {"low": 1e-4, "high": 1.0, "log": True},
        "batch_size": {"choices": [32, 64]},
        "model": {"hidden": {"low": 4, "high": 64, "step": 4}},
    }
)


def value(chosen: dict[str, Any]) -> float:
    return 0.9 - abs(chosen["learning_rate"] - 0.01) / 2 - chosen["model.hidden"] / 1000


def searched(folder: Path, count: int, at_once: int, interrupted: frozenset[int]) -> list[Any]:
    """Makes trials without training, and begins anew after those of some numbers."""
    journal = Journal(folder, "key")
    while (made := len(journal.trials)) < count:
        first = made - made % at_once
        asked = Round(SPACE, 3, journal.trials[:first], min(at_once, count - first))
        for number in range(made, first + len(asked.settings)):
            best = value(asked.settings[number - first])
            state = ("done", "pruned", "done", "failed")[number % 4]
            values = {} if state == "failed" else {1: best / 2, 2: best}
            journal.add(asked.told(number - first, state, values, {}))  # type: ignore[arg-type] # one of them
            if number in interrupted:
                journal = Journal(folder, "key")
                break
    return [(t.number, settings_of(t, SPACE), t.value, state_of(t)) for t in journal.trials]


@given(
    interrupted=st.frozensets(st.integers(0, 15)),
    at_once=st.integers(1, 4),
    count=st.integers(12, 16),
    less=st.integers(1, 12),
)
@settings(max_examples=15)
def test_an_interrupted_search_and_an_extended_one_ask_for_the_same_trials(
    interrupted: frozenset[int],
    at_once: int,
    count: int,
    less: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("journals")
    (folder / "one").mkdir()
    (folder / "other").mkdir()
    wanted = searched(folder / "one", count, at_once, frozenset())
    searched(folder / "other", less, at_once, interrupted)
    assert searched(folder / "other", count, at_once, interrupted) == wanted
    assert len({str(chosen) for _, chosen, *_ in wanted}) == count


def test_a_line_that_was_cut_by_a_power_loss_is_dropped(here: Path) -> None:
    wanted = searched(here, 4, 1, frozenset())
    journal = here / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-20])
    assert len(Journal(here, "key").trials) == 3
    assert searched(here, 4, 1, frozenset()) == wanted


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}\n{}\n", "is no journal of Optuna"),
        ("\0\0\0\n\0\0\n", "is no journal of Optuna"),
        (
            '{"op_code":0,"worker_id":"a","study_name":"other","directions":[2]}\n',
            "holds the studies other",
        ),
        (
            '{"op_code":0,"worker_id":"a","study_name":"fmnistlab","directions":[2]}\n'
            '{"op_code":2,"worker_id":"a","study_id":0,"user_attr":{"search":"x"}}\n',
            "is the journal of another search",
        ),
    ],
)
def test_the_journal_of_something_else_is_refused(content: str, said: str, here: Path) -> None:
    (here / JOURNAL).write_text(content)
    with pytest.raises(RunFolderError) as refusal:
        Journal(here, "key")
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(str(here / JOURNAL))


def test_a_trial_below_the_median_of_five_is_pruned_but_not_in_its_first_epochs(here: Path) -> None:
    searched(here, 12, 1, frozenset())
    earlier = Journal(here, "key").trials
    done = sorted(t.intermediate_values[2] for t in earlier if state_of(t) == "done")
    assert len(done) == 6
    few = [trial for trial in earlier if state_of(trial) == "done"][:4]
    for others, spared, last, pruned in (
        (earlier, 1, done[0] - 0.01, True),
        (earlier, 1, done[-1] + 0.01, False),
        (earlier, 2, done[0] - 0.01, False),
        (few, 1, done[0] - 0.01, False),
    ):
        trial = MedianTrial(copy.deepcopy(others), spared)
        trial.report(0.0, 1)
        sent = pickle.loads(pickle.dumps(trial))
        sent.report(last, 2)
        assert sent.should_prune() is pruned
    fresh = MedianTrial(earlier, 1)
    fresh.report(0.0, 1)
    assert not fresh.should_prune()
